"""Why two error rates differ, measured: from what a user names to the ends of a ladder."""

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
    """The ends of a ladder of one network between two protocols, or the ids of printed figures, tested as they were.

    ``request`` names one architecture. Raises a ``BenchsuiteError`` for what does not fit, before any network is built.
    """
    rows = [printed(text) for text in (start, goal)]
    first = None if rows[0] else start
    (question,) = plan(dataclasses.replace(request, protocols=(first or "1crop",)), catalog)
    texts = [
        label(catalog, row, question.members[0].weights.preprocess) if row else text
        for row, text in zip(rows, (start, goal), strict=True)
    ]
    ends = [_end(question, text, catalog, row) for text, row in zip(texts, rows, strict=True)]
    if ends[0].question.run_id == ends[1].question.run_id:
        raise BadParameter(expected("--from and --to", "two protocols", f"{texts[0]} twice"))
    return ends[0], ends[1]


def between_runs(request: RunRequest, start: str, goal: str, catalog: Catalog) -> tuple[LadderEnd, LadderEnd]:
    """The ends of a ladder between two finished runs, or from a run to a printed figure or back.

    A printed figure is taken with the network of the run. ``request`` holds what only changes speed, and the results.
    Raises ``UnknownName`` for a run that is not there, and ``StorageError`` for one that its command gives no longer.
    """
    rows = [None if _is_run(request.results, text) else printed(text) for text in (start, goal)]
    if all(rows):
        raise BadParameter(expected("one end of a ladder", "a run: printed figures hold no images", f"{start}, {goal}"))
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
        raise BadParameter(expected("the ends of a ladder", "two runs", f"{first.question.run_id} twice"))
    return first, second


def of_run(request: RunRequest, name: str, catalog: Catalog) -> LadderEnd:
    """The end of a ladder that a finished run is: the question that its command asks today."""
    folder = run_folder.find_run(request.results, name)
    manifest = run_folder.read_whole_manifest(folder)
    if len(manifest["members"]) != 1:
        raise BadParameter(expected("an end of a ladder", "of one network", manifest["architecture"]["name"], name))
    told = manifest["asked"]
    fields = {f: told[f] for f in ("data", "weights", "loader", "device", "limit", "seed")}
    fields["precision"] = manifest["numerics"]["precision"]
    again = dataclasses.replace(request, architectures=(told["architecture"],), protocols=(told["protocol"],), **fields)
    (question,) = plan(again, catalog)
    if question.run_id != manifest["run_id"]:
        got = f"another question ({question.run_id}): its data, its weights or benchsuite have changed"
        raise StorageError(expected(f"the command of {manifest['run_id']}", "what it was", got, manifest["command"]))
    return LadderEnd(question)


def printed(text: str) -> Published | None:
    """The top-1 figure of the ledger with that id, if any. Raises ``BadParameter`` if no run can stand for it."""
    row = next((row for row in ledger.load() if row.id == text), None)
    if row is not None and (row.error is None or row.k != 1 or not row.protocol):
        raise BadParameter(expected("a printed figure", "a top-1 figure of a protocol that its source states", text))
    return row


def _is_run(results: Path, text: str) -> bool:
    names = [folder.name for folder in run_folder.runs_in(results)]
    return (Path(text) / "manifest.json").is_file() or any(name.startswith(text) for name in names)


def _end(question: Question, text: str, catalog: Catalog, row: Published | None) -> LadderEnd:
    """The end of a ladder that tests the network of ``question`` under the protocol ``text``."""
    return LadderEnd(under(question, question.request, text, catalog), row)
