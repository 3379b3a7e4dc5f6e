"""Turns what a user names into the two ends of a ladder: protocols, ids of published figures, or finished runs.

The modules in the order of their work: ``ladder_ends`` (this one), ``ladder_plan``, ``ladder``, ``ladder_run``.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

from benchsuite.errors import BadParameter, StorageError, expected
from benchsuite.evaluation.question import Question, RunRequest
from benchsuite.explanation import ledger
from benchsuite.explanation.ladder_plan import LadderEnd
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.reproduction import label
from benchsuite.runs.plan import plan, under
from benchsuite.specs.catalog import Catalog
from benchsuite.storage import run_folder


def between_protocols(request: RunRequest, start: str, goal: str, catalog: Catalog) -> tuple[LadderEnd, LadderEnd]:
    """The ends of a ladder of one network. ``start`` and ``goal`` are protocols or ids of published figures.

    A published figure stands for the protocol of its source. ``request`` names one architecture. Raises a
    ``BenchsuiteError`` for anything that does not fit, before any network is built.
    """
    rows = [published_figure(text) for text in (start, goal)]
    first = None if rows[0] else start
    (question,) = plan(dataclasses.replace(request, protocols=(first or "1crop",)), catalog)
    texts = [
        label(catalog, row, question.members[0].weights.preprocess) if row else text
        for row, text in zip(rows, (start, goal), strict=True)
    ]
    ends = [_end(question, text, catalog, row) for text, row in zip(texts, rows, strict=True)]
    if ends[0].question.run_id == ends[1].question.run_id:
        raise BadParameter(expected("--from and --to", "two different protocols", f"{texts[0]} twice"))
    if request.precision not in ("auto", "fp32") and any(end.question.attacked for end in ends):
        rule = "fp32 or auto where one end is an attack, which is computed in float32"
        raise BadParameter(expected("--precision", rule, request.precision))
    return ends[0], ends[1]


def between_runs(request: RunRequest, start: str, goal: str, catalog: Catalog) -> tuple[LadderEnd, LadderEnd]:
    """The ends of a ladder between two finished runs, or between a run and a published figure.

    A published figure stands for its protocol with the network of the run. Of ``request`` only the results folder and
    the options that do not change a result are used. Raises ``UnknownName`` for a run that does not exist, and
    ``StorageError`` for a run that is broken or whose command would make another run today.
    """
    rows = [None if is_run(request.results, text) else published_figure(text) for text in (start, goal)]
    if all(rows):
        got = f"two published figures: {start}, {goal}"
        raise BadParameter(expected("at least one end of a ladder", "a run, as published figures hold no images", got))
    ends = [None if row else of_run(request, text, catalog) for row, text in zip(rows, (start, goal), strict=True)]
    for i, row in enumerate(rows):
        other = ends[1 - i]
        if row is not None and other is not None:
            text = label(catalog, row, other.question.members[0].weights.preprocess)
            ends[i] = _end(other.question, text, catalog, row)
    first, second = ends
    assert first is not None, "the first end is known"
    assert second is not None, "the second end is known"
    if first.question.run_id == second.question.run_id:
        raise BadParameter(expected("the ends of a ladder", "two different runs", f"{first.question.run_id} twice"))
    return first, second


def of_run(request: RunRequest, name: str, catalog: Catalog) -> LadderEnd:
    """The end of a ladder for a finished run: the question that its command asks today.

    Raises ``StorageError`` if that is another question than the run answered, and ``BadParameter`` for an ensemble.
    """
    folder = run_folder.find_run(request.results, name)
    manifest = run_folder.read_whole_manifest(folder)
    if len(manifest["members"]) != 1:
        raise BadParameter(expected("an end of a ladder", "of one network", manifest["architecture"]["name"], name))
    options = manifest["asked"]
    fields = {f: options[f] for f in ("data", "weights", "loader", "device", "limit", "seed")}
    fields["precision"] = manifest["numerics"]["precision"]
    fields["transforms"] = tuple(options.get("transforms", ()))
    fields["preprocess"] = options.get("preprocess")
    fields |= {"architectures": (options["architecture"],), "protocols": (options["protocol"],)}
    (question,) = plan(dataclasses.replace(request, **fields), catalog)
    if question.run_id != manifest["run_id"]:
        got = f"{question.run_id}: its data, its weights or benchsuite have changed"
        what, rule = "the run that a command makes today", f"{manifest['run_id']} as before"
        raise StorageError(expected(what, rule, got, manifest["command"]))
    return LadderEnd(question, digest=manifest["weights"]["digest"])


def published_figure(text: str) -> Published | None:
    """The published figure with this id; None if the ledger has none.

    Raises ``BadParameter`` if no run can measure it: a figure at top-5, without a value or without a protocol.
    """
    row = next((row for row in ledger.load() if row.id == text), None)
    if row is not None and (row.error is None or row.k != 1 or not row.protocol):
        raise BadParameter(expected("a published figure", "a top-1 figure of a protocol that its source states", text))
    return row


def is_run(results: Path, text: str) -> bool:
    """Whether a text names a finished run: its folder, or the beginning of its id or of the last part of it."""
    runs = run_folder.runs_in(results)
    return (Path(text) / "manifest.json").is_file() or any(run_folder.is_named(run.name, text) for run in runs)


def _end(question: Question, text: str, catalog: Catalog, row: Published | None) -> LadderEnd:
    """The end of a ladder that tests the network of ``question`` under protocol ``text``, for the figure ``row``."""
    return LadderEnd(under(question, question.request, text, catalog), row)
