"""What ``explain RUN --frequency`` found, as a value and as the file ``frequency.json``. Read without torch.

The modules in the order of their work: ``plan``, ``counts``, ``measurement``, ``explain``; each fills in a part of the
values here, and ``summary`` puts them into words.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchsuite.errors import DataError, expected
from benchsuite.stats import significance
from benchsuite.stats.metrics import Count
from benchsuite.stats.radial_energy import RadialEnergy
from benchsuite.storage.files import writing

FILE = "frequency.json"

REVISION = 1
"""Increased when the analysis changes, so that an old file is not taken for a new one."""

Kernel = tuple[tuple[tuple[float, ...], ...], ...]
"""The weights of one kernel, (c, h, w)."""


@dataclass(frozen=True, slots=True)
class Filtered:
    """A run on filtered pictures: ``right`` images, and how many are ``fixed`` and ``broken`` against the clean run.

    ``frequent`` is the class that is the most frequent answer, ``frequent_n`` the number of images that get it.
    """

    protocol: str
    run_id: str
    right: int
    fixed: int
    broken: int
    frequent: int
    frequent_n: int

    @property
    def p(self) -> float:
        """The p-value of McNemar's exact test against the clean run."""
        return significance.mcnemar(self.fixed, self.broken)


@dataclass(frozen=True, slots=True)
class RadiusCounts:
    """The runs at one radius. ``swapped`` images are wrong on the low-pass and right on the high-pass picture.

    ``swapped_right`` counts those of them whose original is right, which are the article's. ``n`` is the number of
    images.
    """

    radius: int
    low: Filtered
    high: Filtered
    n: int
    swapped: int
    swapped_right: int

    @property
    def by_chance(self) -> Fraction:
        """How many images would be swapped if the answers to the two pictures were independent, exactly."""
        return Fraction((self.n - self.low.right) * self.high.right, self.n)


@dataclass(frozen=True, slots=True)
class Attack:
    """A run under an attack, which ``words`` describe, and the clean run on the same n images."""

    protocol: str
    words: str
    run_id: str
    clean_run_id: str
    n: int
    clean_right: int
    right: int


@dataclass(frozen=True, slots=True)
class Reply:
    """The network's top answer to a picture and its probability."""

    label: int
    probability: float


@dataclass(frozen=True, slots=True)
class Triple:
    """An image of class ``label``, and the replies to its original, its low-pass and its high-pass picture."""

    id: str
    label: int
    original: Reply
    low: Reply
    high: Reply


@dataclass(frozen=True, slots=True)
class Kernels:
    """The kernels of the first convolution that is executed.

    ``weights`` are those of at most ``KEPT`` of the ``count`` kernels. ``energy`` is that of all of them, padded with
    zeros to ``side`` x ``side``, so that the ring ``side / 2`` is the Nyquist frequency.
    """

    layer: str
    count: int
    side: int
    weights: tuple[Kernel, ...]
    energy: RadialEnergy


@dataclass(frozen=True, slots=True)
class Measurement:
    """Energies by radius on n images: of the pictures without their mean, the input gradient, and the attack.

    They are measured on one crop (``view``, in words) of ``side`` pixels. ``gradient`` and ``attack`` are None if they
    were left out, or if all of them are zero. ``vanished`` images have a gradient that is zero everywhere.
    """

    n: int
    view: str
    side: int
    pictures: RadialEnergy | None
    gradient: RadialEnergy | None
    attack: RadialEnergy | None
    vanished: int
    kernels: Kernels | None

    @property
    def energies(self) -> list[tuple[str, RadialEnergy]]:
        """The energies that were measured, with their names."""
        named = (("pictures", self.pictures), ("input gradient", self.gradient), ("PGD", self.attack))
        return [(name, energy) for name, energy in named if energy is not None]


@dataclass(frozen=True, slots=True)
class FrequencyAnalysis:
    """Which frequencies a network uses. The runs of ``curve`` are paired image by image with the clean run ``run_id``.

    ``side`` is the side in pixels that radii refer to, ``at`` the index of the view that is measured and drawn among
    those of the protocol, ``radius`` that of ``triples``, which were chosen by the rule
    ``counts.triples``. ``left_out`` says why there is no ``attack``. ``made_from`` and ``measured_from`` are digests of
    what the counts and the measurement depend on.
    """

    run_id: str
    architecture: str
    weights: str
    protocol: str
    dataset: str
    n: int
    of: int
    side: int
    at: int
    radius: int
    clean_right: int
    curve: tuple[RadiusCounts, ...]
    attack: Attack | None
    left_out: str
    triples: tuple[Triple, ...]
    measurement: Measurement
    made_from: str
    measured_from: str

    @property
    def at_radius(self) -> RadiusCounts:
        """The counts at ``radius``."""
        return next(counts for counts in self.curve if counts.radius == self.radius)

    @property
    def run_ids(self) -> tuple[str, ...]:
        """The ids of all runs behind the analysis, each once; the clean run first."""
        ids = [self.run_id, *(run.run_id for counts in self.curve for run in (counts.low, counts.high))]
        ids += [self.attack.clean_run_id, self.attack.run_id] if self.attack is not None else []
        return tuple(dict.fromkeys(ids))

    def accuracy(self, right: int) -> Count:
        """``right`` of the images of the run."""
        return Count(right, self.n)


def path(results: Path, run_id: str) -> Path:
    """The file of the analysis of a run: RESULTS/frequency/RUN-ID/frequency.json."""
    return results / "frequency" / run_id / FILE


def read(file: Path) -> FrequencyAnalysis | None:
    """The analysis in a file; None if there is no file, or one of another revision.

    Raises ``DataError`` for a file that holds something else.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise DataError(f"Cannot read {file}: {error}") from error
    if isinstance(data, dict) and data.get("revision", REVISION) != REVISION:
        return None
    try:
        found: FrequencyAnalysis = _value(FrequencyAnalysis, data)
        assert found.at_radius, "the radius of the triples is one of the curve"
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        rule = "what benchsuite explain --frequency wrote"
        raise DataError(expected("the file", rule, f"another: {error}", str(file))) from error
    return found


def write(file: Path, analysis: FrequencyAnalysis) -> None:
    """Writes the analysis completely or not at all, with a line for each of its fields."""
    data = {"revision": REVISION, **dataclasses.asdict(analysis)}
    lines = ",\n".join(
        f"{json.dumps(k)}: {json.dumps(v, ensure_ascii=False, allow_nan=False)}" for k, v in data.items()
    )
    with writing(file) as part:
        part.write_text(f"{{\n{lines}\n}}\n", encoding="utf-8", newline="\n")


def flat(found: FrequencyAnalysis) -> dict[str, Any]:
    """An analysis as one object for JSON: the fields of its file, and rates in percent with their intervals."""
    data = dataclasses.asdict(found)
    for counted, at in zip(data["curve"], found.curve, strict=True):
        for name, run in (("low", at.low), ("high", at.high)):
            counted[name] |= {"accuracy": _percentages(found, run.right), "p": run.p}
        counted |= {"swapped_share": _percentages(found, at.swapped), "by_chance": float(at.by_chance)}
    return data | {"clean_accuracy": _percentages(found, found.clean_right)}


def _percentages(found: FrequencyAnalysis, right: int) -> dict[str, Any]:
    """A rate in percent, unrounded, with its 95 % Wilson interval."""
    count = found.accuracy(right)
    return {"percent": float(100 * count.ratio), "interval": [100 * bound for bound in significance.wilson(count)]}


@functools.lru_cache(maxsize=32)
def _hints(kind: Any) -> Mapping[str, Any]:
    return typing.get_type_hints(kind)


def _value(kind: Any, data: Any) -> Any:
    """JSON data as a value of an annotated type: a dataclass, a tuple of one type, an optional value, or itself."""
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is types.UnionType:
        return None if data is None else _value(arguments[0], data)
    if typing.get_origin(kind) is tuple:
        return tuple(_value(arguments[0], item) for item in data)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return kind(**{name: _value(hint, data[name]) for name, hint in _hints(kind).items()})
    if not isinstance(data, kind) and not (kind is float and isinstance(data, int)):
        raise TypeError(f"{data!r} where {kind.__name__} should be")
    return data
