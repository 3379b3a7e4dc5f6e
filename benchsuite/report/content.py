"""What a report shows, read from disk once: runs, pairs of runs on the same images, ladders, and trainings."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any

from benchsuite.explanation import comparison
from benchsuite.explanation.comparison import Comparison, Run, Side
from benchsuite.report import training_content
from benchsuite.report.frequency import content as frequency_content
from benchsuite.report.frequency.content import FrequencyContent, RunOnDisk
from benchsuite.report.plots import palette
from benchsuite.report.plots.palette import Palette
from benchsuite.report.sources import LadderFile, Sources
from benchsuite.report.tables import text
from benchsuite.report.training_content import TrainingContent
from benchsuite.runs import manifest as run_manifest
from benchsuite.specs.view import view_from_data
from benchsuite.stats import significance

DETAILED = 40
"""At most this many pairs are shown with their classes and images; the others are only rows of a table."""

IMAGES = 6000
"""Upper bound on the changed images listed by all pairs together; each pair lists those that changed most."""

ANSWERS = 3
"""Top answers that are kept of each changed image."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A run: its flat row as in ``run --json``, its manifest, and its error counts and calibration (``side``).

    ``megapixels`` counts the pixels of all views of one square image: the cost of the protocol on any machine.
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
    def digest(self) -> str:
        """The last part of the run's id, which is different for every run."""
        return self.run_id.rpartition("-")[2]

    @property
    def data(self) -> str:
        """The digest of the run's images: equal for runs that can be compared."""
        return str(self.manifest["dataset"]["digest"])

    @property
    def network(self) -> tuple[str, str]:
        """The architecture and the digest of the weights: equal for two runs of one network."""
        return str(self.row["architecture"]), str(self.manifest["weights"]["digest"])

    @property
    def numerics(self) -> str:
        """Precision, device and loader: ``bf16, cpu, torch``; with ``not exact`` if the run's pixels are not exact."""
        words = self.row["precision"], self.manifest["numerics"]["device"], self.row["loader"]
        return ", ".join((*words, *([] if self.row["exact"] else ["not exact"])))

    def protocol_against(self, other: Entry) -> str:
        """The protocol, followed by the precision and the pixels where they differ from those of the other run."""
        own, its = ([named(e.manifest) for named in (comparison.precision, comparison.pixels)] for e in (self, other))
        return " ".join(
            [self.row["protocol"], *(word for word, another in zip(own, its, strict=True) if word != another)]
        )

    def name_against(self, other: Entry) -> str:
        """The architecture and ``under(other)``: a name that distinguishes this run from the other one."""
        return f"{self.row['architecture']} {self.protocol_against(other)}"

    @property
    def images(self) -> str:
        """The images in words: ``cifar10, 200 of 10000 images``."""
        return f"{self.row['dataset']}, {text.image_count(self.row)} images"


@dataclass(frozen=True, slots=True)
class Changed:
    """An image that was fixed or broken: its top answers as (class, probability), and its true class's probability."""

    id: str
    label: int
    fixed: bool
    before: tuple[tuple[int, float], ...]
    after: tuple[tuple[int, float], ...]
    true_before: float
    true_after: float


@dataclass(frozen=True, slots=True)
class Pair:
    """Two runs on the same images. ``name`` is made from their ids.

    ``p_holm`` is corrected for all pairs of the ladder, or of the set of images.

    ``changed`` are the fixed and broken images that changed most; ``comparison.top1`` counts all of them. It is empty
    if the report shows no details of the pair.
    """

    name: str
    before: Entry
    after: Entry
    comparison: Comparison
    p_holm: float
    changed: tuple[Changed, ...]


@dataclass(frozen=True, slots=True)
class LadderContent:
    """A measured ladder: its runs in order, the pairs of neighbouring runs, and the file's other data (``file``)."""

    name: str
    entries: tuple[Entry, ...]
    pairs: tuple[Pair, ...]
    file: LadderFile

    @property
    def gaps(self) -> tuple[Fraction, Fraction]:
        """The differences of published figures and measured ends, in percentage points; 0 where there is no figure.

        The first is measured minus published, the second is published minus measured, where ``file.counted`` is added
        to the measured rate. Their sum is ``left_over``.
        """
        ends = [Fraction(100 * e.row["top1_errors"], e.row["n"]) for e in (self.entries[0], self.entries[-1])]
        ends[1] += self.file.counted[1] if self.file.counted is not None else 0
        first, last = (None if p is None or p.error is None else Fraction(p.error) for p in self.file.published)
        return ends[0] - (ends[0] if first is None else first), (ends[1] if last is None else last) - ends[1]

    @property
    def left_over(self) -> Fraction:
        """The exact difference that no step accounts for, in percentage points; 0 if no end has a published figure."""
        return self.gaps[0] + self.gaps[1]


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that a report shows. ``classes`` maps the digest of a data set to its class names, where known."""

    entries: tuple[Entry, ...]
    pairs: tuple[Pair, ...]
    ladders: tuple[LadderContent, ...]
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trainings: tuple[TrainingContent, ...] = ()
    frequencies: tuple[FrequencyContent, ...] = ()

    def groups(self) -> Iterator[list[Entry]]:
        """The runs grouped by their images, in the order of each group's first run."""
        groups: dict[str, list[Entry]] = {}
        for entry in self.entries:
            groups.setdefault(entry.data, []).append(entry)
        yield from groups.values()

    @property
    def palette(self) -> Palette:
        """The colour of each protocol."""
        protocols = [str(entry.row["protocol"]) for entry in self.entries]
        return palette.palette([*protocols, *(frequency_content.FILTERS if self.frequencies else ())])

    def networks(self) -> int:
        """The number of different networks among the runs."""
        return len({entry.network for entry in self.entries})

    def class_name(self, entry: Entry, label: int) -> str:
        """The name of a class of a run's data set, or ``class 3`` if no name is known."""
        return self.class_name_in(entry.data, label)

    def class_name_in(self, data: str, label: int) -> str:
        """The same for the digest of a data set."""
        names = self.classes.get(data, ())
        return str(names[label]) if label < len(names) else f"class {label}"


def read(selected: Sources) -> Report:
    """Reads the runs, pairs, ladders and trainings. Raises ``DataError`` for pairs that are not of the same images."""
    opened = functools.lru_cache(maxsize=4)(lambda folder: comparison.open_run(folder.parent, str(folder)))
    entries = {folder.resolve(): _entry(opened(folder)) for folder in selected.folders}
    at = {entry.run_id: folder for folder, entry in zip(selected.folders, entries.values(), strict=True)}
    ordered = _in_order(entries.values()) if selected.every else list(entries.values())

    def load(entry: Entry) -> Run:
        return opened(at[entry.run_id])

    chains = [[entries[folder.resolve()] for folder in file.folders] for file in selected.ladders]
    wanted = [(entries[a.resolve()], entries[b.resolve()]) for a, b in selected.pairs]
    runs = ordered if selected.every else [entries[folder.resolve()] for folder in selected.named]
    wanted += [pair for pair in compared(runs) if pair not in wanted]
    families = [*map(list, map(pairwise, chains)), *_by_data(wanted)]
    detailed = min(DETAILED, sum(map(len, families)))
    limits = iter([IMAGES // max(1, detailed)] * detailed)
    named = functools.partial(_named, set[str]())
    families_of_pairs = [_family(family, load, limits, named) for family in families]
    ladders = [
        LadderContent(named("ladder", chain[0], chain[-1]), tuple(chain), pairs, file)
        for chain, pairs, file in zip(chains, families_of_pairs, selected.ladders, strict=False)
    ]
    pairs = [pair for family in families_of_pairs[len(chains) :] for pair in family]
    on_disk = [RunOnDisk(at[entry.run_id], entry.row, entry.manifest) for entry in ordered]
    return Report(
        tuple(ordered),
        tuple(pairs),
        tuple(ladders),
        trainings=tuple(map(training_content.read, selected.trainings)),
        frequencies=frequency_content.read(on_disk),
    )


def _by_data(pairs: Sequence[tuple[Entry, Entry]]) -> list[list[tuple[Entry, Entry]]]:
    """The pairs grouped by their set of images; p-values are corrected within a group."""
    groups: dict[str, list[tuple[Entry, Entry]]] = {}
    for pair in pairs:
        groups.setdefault(pair[0].data, []).append(pair)
    return list(groups.values())


def _family(
    pairs: Sequence[tuple[Entry, Entry]],
    load: Callable[[Entry], Run],
    limits: Iterator[int],
    named: Callable[[str, Entry, Entry], str],
) -> tuple[Pair, ...]:
    """Compares the pairs and corrects their p-values for each other.

    Each pair takes its number of images from ``limits``; a pair gets no images once that is exhausted.
    """
    results = []
    for before, after in pairs:
        a, b = load(before), load(after)
        results.append((comparison.compare(a, b), changed(a, b, next(limits, 0))))
    corrected = significance.holm([found.top1.p for found, _ in results])
    return tuple(
        Pair(named("pair", *pair), *pair, found, p, images)
        for pair, (found, images), p in zip(pairs, results, corrected, strict=True)
    )


def _named(taken: set[str], kind: str, before: Entry, after: Entry) -> str:
    """``pair-b6532570f6fb-e5e26cf790fa``; with a number if the report already has that name."""
    name = first = f"{kind}-{before.digest}-{after.digest}"
    number = 1
    while name in taken:
        number += 1
        name = f"{first}-{number}"
    taken.add(name)
    return name


def changed(before: Run, after: Run, most: int) -> tuple[Changed, ...]:
    """At most ``most`` images that were fixed or broken, first those whose true class gained or lost most.

    None if the predictions of a run are compact.
    """
    import numpy as np

    a, b = before.columns, comparison.aligned(before, after).columns
    if "probability_true" not in a or "probability_true" not in b:
        return ()
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
    answers = columns["top5"][row, :ANSWERS].tolist(), columns["probability5"][row, :ANSWERS].tolist()
    return tuple(zip(*answers, strict=True))


def _entry(run: Run) -> Entry:
    row = run_manifest.result_row(run.manifest, str(run.path), cached=True)
    seen = sum(view_from_data(view).pixels(1, 1) for view in run.manifest["views"])
    return Entry(row, run.manifest, comparison.side(run), seen / 1e6)


def _in_order(entries: Iterable[Entry]) -> list[Entry]:
    """The order of runs if none was named: by data set, network, number of views, and protocol."""
    return sorted(entries, key=lambda e: (e.row["dataset"], e.data, *e.network, e.row["views"], e.row["protocol"]))


def compared(entries: Sequence[Entry]) -> list[tuple[Entry, Entry]]:
    """Pairs each run with an earlier one on its images: the first of its network, else of its protocol, else of all."""
    pairs: list[tuple[Entry, Entry]] = []
    firsts: dict[tuple[Any, ...], Entry] = {}
    for entry in entries:
        kinds = ((entry.data, entry.network), (entry.data, entry.row["protocol"]), (entry.data,))
        first = next((firsts[kind] for kind in kinds if kind in firsts), None)
        pairs += [] if first is None else [(first, entry)]
        for kind in kinds:
            firsts.setdefault(kind, entry)
    return pairs
