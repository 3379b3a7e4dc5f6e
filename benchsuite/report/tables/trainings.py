"""The tables of trainings: the last epochs, the same epochs under other accountings, and each epoch of one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from benchsuite.report.tables.sheet import Cell, Column, Sheet, number, once, rate, whole, with_columns
from benchsuite.report.tables.text import preprocessing_lines
from benchsuite.report.training_content import Epoch, TrainingContent
from benchsuite.stats import digits
from benchsuite.stats.metrics import Count
from benchsuite.training import manifest

SIZES = ("images", "parameters", "masks", "learned from", "test images", "minutes")
"""Columns of ``trainings`` that say how large a training was."""

ACCOUNTINGS = (
    "exact",
    "exact-best",
    "smoothed",
    "smoothed-best",
    "two-batches-best",
    "truncated",
    "truncated-best-after-10",
)
"""Accountings that are columns: ways in which other programs count. ``benchsuite audit`` shows all of them."""


def trainings(content: Sequence[TrainingContent]) -> Sheet:
    """A line for each training: its size, its last epoch, and what the source of its recipe would have printed."""
    titles = ("parameters", "masks", "learned from", "epochs", "test images", "top-1 error %", "95 % interval")
    columns = (
        *map(Column, ("network", "recipe", "images")),
        *(Column(title, True) for title in titles),
        *(Column(title, True) for title in ("best held-out %", "counted as its source %", "minutes")),
        Column("source says"),
        Column("training"),
    )
    remarks = (*_smaller(content), *preprocessing_lines([one.row for one in content]))
    return once(filled(Sheet("trainings", "Trainings", columns, tuple(tuple(_line(one)) for one in content), remarks)))


def in_two(sheet: Sheet) -> tuple[Sheet, Sheet]:
    """The table of ``trainings`` for a page: the errors and what their source says, and the rest as a second table."""
    titles = [column.title for column in sheet.columns]
    errors = with_columns(sheet, lambda i: titles[i] not in SIZES)
    sizes = with_columns(sheet, lambda i: titles[i] in {"network", "recipe", *SIZES})
    return errors, dataclasses.replace(sizes, name=f"{sheet.name}-sizes", title="Sizes of the trainings", remarks=())


def _smaller(content: Sequence[TrainingContent]) -> Iterator[str]:
    if any(one.row["scale"] != "full" for one in content):
        yield SMALLER


def seeds(content: Sequence[TrainingContent]) -> Sheet:
    """A line for each network and recipe: the errors of its last epochs over its seeds, the lowest mean first.

    ``smoothed-best less exact`` is the accuracy by the original's accounting minus the exact accuracy of the last
    epoch: the mean over seeds, in percentage points.
    """
    lines = []
    for (network, recipe), runs in _over_seeds(content).items():
        errors = sorted(Fraction(one.row["top1_errors"], one.row["n"]) for one in runs)
        sizes = runs[0].manifest["architecture"]
        line = [Cell(recipe), Cell(network), whole(sizes["parameters"]), whole(sizes["masks"]), whole(len(runs))]
        mean = sum(errors, Fraction(0)) / len(errors)
        line += [Cell(digits.decimals(100 * value, 2), float(value)) for value in (mean, errors[0], errors[-1])]
        above = [_accuracy(one, "smoothed-best") - _accuracy(one, "exact") for one in runs]
        line.append(Cell(digits.signed(sum(above, Fraction(0)) / len(above), 2)))
        lines.append((mean, tuple(line)))
    titles = ("parameters", "masks", "seeds", "mean top-1 error %", "least", "greatest", "smoothed-best less exact")
    columns = (Column("recipe"), Column("network"), *(Column(title, True) for title in titles))
    rows = tuple(line for _, line in sorted(lines, key=lambda pair: pair[0]))
    remarks = (*_smaller(content), *preprocessing_lines([one.row for one in content]))
    return Sheet("seeds", "Recipes over their seeds", columns, rows, remarks)


def watched(content: Sequence[TrainingContent]) -> Sheet:
    """Errors on training images under the perturbations that recipes watch, after the last epoch.

    A line for each network and recipe: the mean over its seeds, and the least and the greatest in brackets.
    """
    same = _over_seeds([one for one in content if one.epochs[-1].watched])
    names = dict.fromkeys(name for runs in same.values() for name in runs[0].epochs[-1].watched)
    rows = []
    for (network, recipe), runs in same.items():
        lasts = [one.epochs[-1] for one in runs]
        counts: list[list[Count | None]] = [[last.train for last in lasts]]
        counts += [[last.watched.get(name) for last in lasts] for name in names]
        counts.append([last.test for last in lasts])
        rows.append((Cell(recipe), Cell(network), whole(len(runs)), *map(_spread, counts)))
    titles = ("seeds", "while training %", *(f"{name} %" for name in names), "test images %")
    columns = (Column("recipe"), Column("network"), *(Column(title, True) for title in titles))
    remark = "errors after the last epoch, on training images and their labels: mean of the seeds [least, greatest]"
    return once(Sheet("watched", "Errors on perturbed training images", columns, tuple(rows), (remark,)))


def _over_seeds(content: Sequence[TrainingContent]) -> dict[tuple[str, str], list[TrainingContent]]:
    """The trainings of each network and recipe, in the order in which these appear."""
    same: dict[tuple[str, str], list[TrainingContent]] = {}
    for one in content:
        same.setdefault((str(one.row["architecture"]), str(one.row["recipe"])), []).append(one)
    return same


def _spread(counts: Sequence[Count | None]) -> Cell:
    """``12.34 [11.00, 13.50]`` in percent; empty if a training did not count."""
    known = sorted(100 * count.ratio for count in counts if count is not None)
    if len(known) < len(counts):
        return Cell("")
    mean = sum(known, Fraction(0)) / len(known)
    texts = [digits.decimals(value, 1) for value in (mean, known[0], known[-1])]
    return Cell(f"{texts[0]} [{texts[1]}, {texts[2]}]" if len(known) > 1 else texts[0], float(mean))


def filled(sheet: Sheet) -> Sheet:
    """The table without columns that are empty in every row."""
    return with_columns(sheet, lambda i: any(row[i].text for row in sheet.rows))


SMALLER = "mini: fewer images and epochs than the source had, so no number to hold against what it says"


def _line(one: TrainingContent) -> Iterator[Cell]:
    row, sizes = one.row, one.manifest["architecture"]
    yield Cell(str(row["architecture"]))
    yield Cell(_recipe(one))
    yield Cell(str(row["dataset"]))
    for value in (sizes["parameters"], sizes["masks"], row["train_n"], row["epochs"], row["n"]):
        yield whole(value)
    yield from rate(Count(row["top1_errors"], row["n"]))
    best, source = row["best_heldout"], row["as_source"]
    yield Cell("") if best is None else _of_epoch(Count(best["test_errors"], best["test_n"]), best["epoch"])
    yield Cell("") if source is None else _chosen(source)
    yield number(sum(row["seconds"].values()) / 60, 1)
    yield Cell(str(row["expected"]))
    yield Cell(one.digest, link=f"run-{one.run_id}")


def _recipe(one: TrainingContent) -> str:
    return f"{one.row['recipe']}, seed {one.row['seed']}"


def _of_epoch(count: Count, epoch: int) -> Cell:
    return Cell(f"{digits.percent(count)} (epoch {epoch})", float(100 * count.ratio))


def _chosen(source: dict[str, Any]) -> Cell:
    return Cell(f"{number(source['top1_error'], 2).text} (epoch {source['epoch']})", source["top1_error"])


def accountings(content: Sequence[TrainingContent]) -> Sheet:
    """The accuracy of each training under each of ``ACCOUNTINGS``, all from the same predictions."""
    columns = (Column("network"), Column("recipe"), Column("batch", True), *(Column(a, True) for a in ACCOUNTINGS))
    remarks = (
        "accuracy %, in batches of the source's size; exact is the last epoch, best the epoch that is best so counted",
    )
    rows = tuple(tuple(_counted(one)) for one in content)
    return filled(Sheet("accountings", "The same epochs, counted in other ways", columns, rows, remarks))


def _counted(one: TrainingContent) -> Iterator[Cell]:
    size = one.correctness.batch_size
    assert size is not None, "a training has batches"
    yield Cell(str(one.row["architecture"]))
    yield Cell(_recipe(one))
    yield whole(size)
    for name in ACCOUNTINGS:
        counted = manifest.as_source(name, one.correctness.correct, size, None)
        yield Cell("") if counted is None else number(100 - counted["top1_error"], 2)


def _accuracy(one: TrainingContent, accounting: str) -> Fraction:
    """The accuracy of a training in percent under an accounting that needs no more than one epoch."""
    size = one.correctness.batch_size
    assert size is not None, "a training has batches"
    counted = manifest.as_source(accounting, one.correctness.correct, size, None)
    assert counted is not None, "the accounting needs no more than one epoch"
    return Fraction(100 - counted["top1_error"])


def epochs(one: TrainingContent) -> Sheet:
    """Each epoch of a training."""
    titles = ("epoch", "learning rate", "loss", "train error %", "held-out error %", "test error %", "95 % interval")
    columns = tuple(Column(title, True) for title in (*titles, "accuracy %", "smoothed accuracy %"))
    rows = tuple(tuple(_epoch(epoch)) for epoch in one.epochs)
    return Sheet(f"epochs-{one.run_id}", f"Epochs of {one.name}", columns, rows)


def _epoch(epoch: Epoch) -> Iterator[Cell]:
    yield whole(epoch.number)
    yield Cell(f"{epoch.learning_rate:.3g}", epoch.learning_rate)
    yield number(epoch.loss, 4)
    for count in (epoch.train, epoch.heldout):
        yield Cell("") if count is None else next(rate(count))
    yield from rate(epoch.test)
    yield next(rate(Count(epoch.test.total - epoch.test.hits, epoch.test.total)))
    yield number(float(100 * epoch.smoothed), 2)
