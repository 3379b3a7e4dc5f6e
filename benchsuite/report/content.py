"""What a report shows, read from disk once: runs, pairs of runs on the same images, ladders, and trainings."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from benchsuite.explanation import comparison
from benchsuite.explanation.comparison import Comparison, Run, Side
from benchsuite.report import training_content
from benchsuite.report.sources import LadderFile, Sources
from benchsuite.report.tables import text
from benchsuite.report.training_content import TrainingContent
from benchsuite.runs import manifest as run_manifest
from benchsuite.specs.view import view_from_data
from benchsuite.stats import significance

DETAILED = 40
"""Pairs that are shown with their classes and images; the others are lines of a table."""

IMAGES = 6000
"""Changed images that all pairs list together, the most changed of each."""

ANSWERS = 3
"""First answers that are kept of a changed image."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A run: its flat row as in ``run --json``, its manifest, its calibration, and what its network sees.

    ``megapixels`` are those of one square image in all of the views: what the protocol costs, on any machine.
    """

    row: Mapping[str, Any]
    manifest: Mapping[str, Any]
    side: Side
    megapixels: float

    @property
    def run_id(self) -> str:
        """The run's id."""
        return str(self.row["run_id"])

    @property
    def data(self) -> str:
        """The digest of the run's images: equal for runs that can be compared."""
        return str(self.manifest["dataset"]["digest"])

    @property
    def network(self) -> tuple[str, str]:
        """What makes two runs those of one network."""
        return str(self.row["architecture"]), str(self.manifest["weights"]["digest"])

    @property
    def numerics(self) -> str:
        """How it was computed, in words: ``bf16, cpu, torch``; and where the pixels are others than the decoder's."""
        words = self.row["precision"], self.manifest["numerics"]["device"], self.row["loader"]
        return ", ".join((*words, *([] if self.row["exact"] else ["not exact"])))

    def under(self, other: Entry) -> str:
        """The protocol, and the precision and whose pixels where those of the other run are not the same."""
        own, its = ([named(e.manifest) for named in (comparison.precision, comparison.pixels)] for e in (self, other))
        return " ".join(
            [self.row["protocol"], *(word for word, another in zip(own, its, strict=True) if word != another)]
        )

    def beside(self, other: Entry) -> str:
        """The network and what it was under, told from the other run."""
        return f"{self.row['architecture']} {self.under(other)}"

    @property
    def images(self) -> str:
        """The images in words: ``cifar10, 200 of 10000 images``."""
        return f"{self.row['dataset']}, {text.image_count(self.row)} images"


@dataclass(frozen=True, slots=True)
class Changed:
    """An image that was fixed or broken: its first answers as (class, probability), and the true class's own."""

    id: str
    label: int
    fixed: bool
    before: tuple[tuple[int, float], ...]
    after: tuple[tuple[int, float], ...]
    true_before: float
    true_after: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs on the same images. ``p_holm`` is corrected for the pairs shown beside it.

    ``changed`` are the images that changed most, of ``fixed`` and ``broken`` ones in ``found.top1``; none where the
    report shows no details.
    """

    name: str
    before: Entry
    after: Entry
    found: Comparison
    p_holm: float
    changed: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class LadderContent:
    """A measured ladder: its runs in order, the pairs between them, and what the file says of it."""

    name: str
    entries: tuple[Entry, ...]
    pairs: tuple[Pair, ...]
    told: LadderFile

    @property
    def gaps(self) -> tuple[Fraction, Fraction]:
        """What lies between a printed figure and the end that stands for it, in percent points; 0 without one.

        The first is from printed to measured, the second from measured to printed: they add up to what is left over.
        """
        ends = [Fraction(100 * e.row["top1_errors"], e.row["n"]) for e in (self.entries[0], self.entries[-1])]
        ends[1] += self.told.counted[1] if self.told.counted is not None else 0
        first, last = (None if p is None or p.error is None else Fraction(p.error) for p in self.told.printed)
        return ends[0] - (ends[0] if first is None else first), (ends[1] if last is None else last) - ends[1]

    @property
    def left_over(self) -> Fraction:
        """What no step accounts for, in percent points, exactly: 0 unless an end stands for a printed figure."""
        return self.gaps[0] + self.gaps[1]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a report shows. ``classes`` are the names of a data set's classes by its digest, where known."""

    entries: tuple[Entry, ...]
    pairs: tuple[Pair, ...]
    ladders: tuple[LadderContent, ...]
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trainings: tuple[TrainingContent, ...] = ()

    def groups(self) -> Iterator[list[Entry]]:
        """The runs on the same images, in the order of their first."""
        found: dict[str, list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(entry.data, []).append(entry)
        yield from found.values()

    def networks(self) -> int:
        """How many networks the runs are of."""
        return len({entry.network for entry in self.entries})

    def class_name(self, entry: Entry, label: int) -> str:
        """The name of a class of a run's data set, or its number where no name is known."""
        names = self.classes.get(entry.data, ())
        return str(names[label]) if label < len(names) else f"class {label}"


def read(asked: Sources) -> Report:
    """The report of what was asked. Raises ``DataError`` for pairs that are not of the same images."""
    opened = functools.lru_cache(maxsize=4)(lambda folder: comparison.open_run(folder.parent, str(folder)))
    entries = {folder.resolve(): _entry(opened(folder)) for folder in asked.folders}
    at = {entry.run_id: folder for folder, entry in zip(asked.folders, entries.values(), strict=True)}
    ordered = _in_order(entries.values()) if asked.every else list(entries.values())

    def load(entry: Entry) -> Run:
        return opened(at[entry.run_id])

    chains = [[entries[folder.resolve()] for folder in told.folders] for told in asked.ladders]
    wanted = [(entries[a.resolve()], entries[b.resolve()]) for a, b in asked.pairs]
    named = ordered if asked.every else [entries[folder.resolve()] for folder in asked.named]
    wanted += [pair for pair in compared(named) if pair not in wanted]
    families = [*map(list, map(pairwise, chains)), *_by_data(wanted)]
    detailed = min(DETAILED, sum(map(len, families)))
    rooms = iter([IMAGES // max(1, detailed)] * detailed)
    numbers = itertools.count(1)
    made = [_family(family, load, rooms, numbers) for family in families]
    ladders = [
        LadderContent(f"ladder-{i}", tuple(chain), pairs, told)
        for i, (chain, pairs, told) in enumerate(zip(chains, made, asked.ladders, strict=False), 1)
    ]
    pairs = [pair for family in made[len(chains) :] for pair in family]
    return Report(
        tuple(ordered), tuple(pairs), tuple(ladders), trainings=tuple(map(training_content.read, asked.trainings))
    )


def _by_data(pairs: Sequence[tuple[Entry, Entry]]) -> list[list[tuple[Entry, Entry]]]:
    """The pairs of each set of images together: tests that are corrected for each other."""
    found: dict[str, list[tuple[Entry, Entry]]] = {}
    for pair in pairs:
        found.setdefault(pair[0].data, []).append(pair)
    return list(found.values())


def _family(
    pairs: Sequence[tuple[Entry, Entry]], load: Callable[[Entry], Run], rooms: Iterator[int], numbers: Iterator[int]
) -> tuple[Pair, ...]:
    """Pairs compared, their p-values corrected for each other; details for as many as there are ``rooms``."""
    made = []
    for before, after in pairs:
        a, b = load(before), load(after)
        made.append((comparison.compare(a, b), changed(a, b, next(rooms, 0))))
    corrected = significance.holm([found.top1.p for found, _ in made])
    return tuple(
        Pair(f"pair-{next(numbers)}", *pair, found, p, images)
        for pair, (found, images), p in zip(pairs, made, corrected, strict=True)
    )


def changed(before: Run, after: Run, most: int) -> tuple[Changed, ...]:
    """The images that were fixed or broken, first those whose true class gained or lost most; ``most`` of them."""
    import numpy as np

    a, b = before.columns, comparison.aligned(before, after).columns
    gain = b["probability_true"] - a["probability_true"]
    places = np.flatnonzero((a["rank"] > 0) != (b["rank"] > 0))
    places = places[np.argsort(-np.abs(gain[places]), kind="stable")][:most]
    return tuple(
        Changed(
            id=str(a["id"][i]),
            label=int(a["label"][i]),
            fixed=bool(b["rank"][i] == 0),
            before=_answers(a, i),
            after=_answers(b, i),
            true_before=float(a["probability_true"][i]),
            true_after=float(b["probability_true"][i]),
        )
        for i in places.tolist()
    )


def _answers(columns: Mapping[str, Any], row: int) -> tuple[tuple[int, float], ...]:
    found = columns["top5"][row, :ANSWERS].tolist(), columns["probability5"][row, :ANSWERS].tolist()
    return tuple(zip(*found, strict=True))


def _entry(run: Run) -> Entry:
    row = run_manifest.result_row(run.manifest, str(run.path), cached=True)
    seen = sum(view_from_data(view).pixels(1, 1) for view in run.manifest["views"])
    return Entry(row, run.manifest, comparison.side(run), seen / 1e6)


def _in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Runs in the order of a report that names none: by data set, network, and number of views."""
    return sorted(entries, key=lambda e: (e.row["dataset"], e.data, *e.network, e.row["views"], e.row["protocol"]))


def compared(entries: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    """Each run with one before it on the same images: the first of its network, else of its protocol, else of all."""
    pairs: list[tuple[Entry, Entry]] = []
    firsts: dict[tuple[Any, ...], Entry] = {}
    for entry in entries:
        kinds = ((entry.data, entry.network), (entry.data, entry.row["protocol"]), (entry.data,))
        first = next((firsts[kind] for kind in kinds if kind in firsts), None)
        pairs += [] if first is None else [(first, entry)]
        for kind in kinds:
            firsts.setdefault(kind, entry)
    return pairs
