"""A whole ``run``: questions, the answers that are there already, training if needed, evaluation, results on disk."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import Any

from benchsuite import manifests, tables
from benchsuite.catalog import Catalog
from benchsuite.chunks import ChunkStore, cache_dir, writing
from benchsuite.evaluate import Answer, Opened, Settings, evaluate, networks
from benchsuite.keys import digest
from benchsuite.plan import DEFAULT_DATA, Asked, Member, Question, plan
from benchsuite.predictions import write_run
from benchsuite.view import View
from benchsuite.watch import Watch

TALLIED = 64
"""Questions whose predictions are held at once where only their counts are wanted."""


def run(asked: Asked, catalog: Catalog, watch: Watch) -> list[dict[str, Any]]:
    """Answers everything that was asked; returns the flat rows of ``run --json`` in the order of the questions.

    Raises a ``BenchsuiteError`` for every mistake of a user; results that were finished before it are on disk.
    """
    questions = plan(asked, catalog)
    if asked.data is None:
        watch.note(f"no --data: evaluating on the embedded data set {DEFAULT_DATA}")
    return answer(asked, questions, watch)


def answer(asked: Asked, questions: Sequence[Question], watch: Watch) -> list[dict[str, Any]]:
    """The rows of ``run`` for questions about the same samples, which ``asked`` is the command of."""
    done = {} if asked.fresh else _answered(asked.results, questions)
    todo = [q for q in questions if q.run_id not in done]
    if todo:
        _check_writable(asked.results)
        for found, manifest in _work(asked, todo, watch):
            write_run(manifests.folder(asked.results, found.question), manifest, found.columns)
            done[manifest["run_id"]] = manifest
    fresh = {q.run_id for q in todo}
    return [
        tables.result_row(done[q.run_id], str(manifests.folder(asked.results, q)), q.run_id not in fresh)
        for q in questions
    ]


def tally(asked: Asked, questions: Sequence[Question], watch: Watch) -> dict[str, dict[str, int]]:
    """The counts of each question by its run's id. Only logits are written: for many questions of a moment."""
    counts = {run_id: dict(m["counts"]) for run_id, m in _answered(asked.results, questions).items()}
    todo = [q for q in questions if q.run_id not in counts]
    for start in range(0, len(todo), TALLIED):
        for found, _ in _work(asked, todo[start : start + TALLIED], watch):
            counts[found.question.run_id] = found.counts
    return counts


def _answered(results: Path, questions: Sequence[Question]) -> dict[str, Mapping[str, Any]]:
    found = {q.run_id: manifests.answered(results, q) for q in questions}
    return {run_id: manifest for run_id, manifest in found.items() if manifest is not None}


def _work(asked: Asked, todo: list[Question], watch: Watch) -> Iterator[tuple[Answer, dict[str, Any]]]:
    """Evaluates what no run answers yet: each answer with its manifest, as soon as it is there."""
    from benchsuite.forward import keep_freed_memory, pick_device

    device = pick_device(asked.device)
    if device == "cpu":
        keep_freed_memory()
    settings = Settings(
        asked.batch_size or _batch_size(device, todo),
        asked.workers if asked.workers is not None else _workers(device),
        asked.fresh,
        Lock() if device == "cpu" else nullcontext(),
    )
    wanted = networks(todo)
    total = len(todo[0].samples) * sum(len(views) for _, views in wanted.values())
    started: list[bool] = []

    def open_network(member: Member, views: tuple[View, ...]) -> Opened:
        opened = _open(todo[0], member, views, device, watch)
        if not started:
            started.append(True)
            watch.start(f"evaluating {len(todo[0].samples)} images", total)
        return opened

    try:
        for found in evaluate(todo, open_network, settings, watch.advance):
            q = found.question
            shared = [other.bound.label for other in todo if other is not q and _share(other, q)]
            yield found, manifests.make(found, asked, settings, device, shared)
    finally:
        watch.stop()


def _share(a: Question, b: Question) -> bool:
    return bool({m.identity for m in a.members} & {m.identity for m in b.members})


def _open(question: Question, member: Member, views: tuple[View, ...], device: str, watch: Watch) -> Opened:
    """Builds a network, trains it where the data set says so, and opens the store of its chunks."""
    from benchsuite import weights
    from benchsuite.forward import open_network

    chosen, architecture = member.chosen, member.architecture
    classes = len(question.split.classes)
    if chosen.recipe is not None and chosen.path is not None:
        _train(question, member, watch)
    elif chosen.label.startswith("random"):
        watch.note(f"{architecture.name} has {chosen.label} weights: its errors say nothing about a trained network")
    module = weights.build(architecture, chosen, classes)
    network = open_network(architecture, module, chosen.preprocess, views, classes, device, question.precision)
    key = {
        "architecture": architecture.name,
        "owner": member.owner,
        "state": network.digest,
        "preprocess": dataclasses.asdict(chosen.preprocess),
        "precision": question.precision,
        "device": device.partition(":")[0],
        "loader": None if question.loader.exact else question.loader.name,
    }
    return Opened(network, ChunkStore(cache_dir() / "chunks" / digest(key)[:32]), network.digest)


def _train(question: Question, member: Member, watch: Watch) -> None:
    from benchsuite import train

    recipe, path = member.chosen.recipe, member.chosen.path
    assert recipe is not None, "only weights with a recipe are trained"
    assert path is not None, "trained weights have a place"
    if path.is_file():
        return
    watch.note(f"training {member.architecture.name} on {question.split.name} once ({recipe.cost}); kept in {path}")
    train.ensure(member.architecture, recipe, path, _train_split(question), watch)


def _train_split(question: Question) -> Callable[[], Any]:
    return lambda: question.dataset.open(None, "train")


def _batch_size(device: str, questions: list[Question]) -> int:
    """Views in a batch: 8 of 224 pixels on a CPU and 128 elsewhere, or as many smaller ones as have their pixels."""
    crop = min(m.chosen.preprocess.crop for q in questions for m in q.members)
    return int((8 if device == "cpu" else 128) * max(1.0, min(8.0, (224 / crop) ** 2)))


def _workers(device: str) -> int:
    """Decoding threads: all cores but one beside a GPU; on the CPU all of them.

    There they take turns with the network: its threads wait for each other, and one that is interrupted stops them all.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores - 1) if device != "cpu" else cores


def _check_writable(results: Path) -> None:
    with writing(results / "runs" / ".writable") as part:
        part.touch()
    (results / "runs" / ".writable").unlink(missing_ok=True)
