"""The ledger of published numbers: what was printed, by whom, under which protocol, and whether it was verified.

``published.csv`` holds the figures, ``methods.csv`` how their sources test, ``variants.csv`` two names of one variant.
"""

from __future__ import annotations

import csv
import functools
import importlib.resources
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from benchsuite.specs.parameters import split_outside

METRICS = {"top1_error": 1, "top5_error": 5, "top1_accuracy": 1}
"""The metrics of the ledger, and how many classes a network may name before its answer is an error."""

SIZES = {"imagenet": 50_000, "cifar10": 10_000, "mnist": 10_000, "svhn": 26_032}
"""Images in the split that figures are published on: a figure of fewer images is another figure."""


@dataclass(frozen=True, slots=True)
class Published:
    """One printed figure. Empty text stands for what the source does not say.

    ``value`` is the text as printed, in percent, and ``metric`` says of what; ``architecture``, ``dataset``,
    ``protocol`` and ``weights`` are benchsuite's names, ``protocol_text`` and ``run`` the source's words. ``status`` is
    ``unverified`` where no original was seen: such a figure is never shown as a verified one.
    """

    id: str
    model: str
    architecture: str
    dataset: str
    split: str
    metric: str
    value: str
    protocol: str
    protocol_text: str
    resize: str
    crop: str
    scales: str
    weights: str
    run: str
    variant: str
    recipe: str
    accounting: str
    source: str
    url: str
    year: str
    status: str
    notes: str

    @property
    def k(self) -> int:
        """1 for a top-1 figure, 5 for a top-5 figure."""
        return METRICS[self.metric]

    @property
    def error(self) -> Decimal | None:
        """The error in percent, exactly as printed or as 100 less the printed accuracy; None where none is printed."""
        if not self.value:
            return None
        value = Decimal(self.value)
        return 100 - value if self.metric.endswith("accuracy") else value

    @property
    def short_side(self) -> int | None:
        """The shorter side in pixels that the source resizes to, where it says one."""
        first = self.resize.partition(" ")[0]
        return int(first) if first else None

    @property
    def measurement(self) -> str:
        """What the top-1 and the top-5 figure of one measurement share: the id without its ending."""
        return self.id.removesuffix("-top1").removesuffix("-top5")


@dataclass(frozen=True, slots=True)
class Method:
    """How a source tests, beyond what its figures say: fields of the same protocol, empty where nothing is stated.

    ``run`` is that of the figures, or its beginning and ``*``; ``protocol`` is empty for what holds under all.
    ``code`` names the evaluation code; ``quotes`` the run whose figure this source repeats.
    """

    run: str
    protocol: str
    code: str
    rounding: str
    merge: str
    flip: str
    quotes: str
    source: str


@functools.lru_cache(maxsize=1)
def load() -> tuple[Published, ...]:
    """Every row of the ledger, in the order of the file."""
    return tuple(Published(**row) for row in _table("published.csv"))


@functools.lru_cache(maxsize=1)
def methods() -> tuple[Method, ...]:
    """How the sources test, the methods of one protocol before those of all."""
    return tuple(sorted((Method(**row) for row in _table("methods.csv")), key=lambda m: not m.protocol))


def method(row: Published) -> Method:
    """How the source of a figure tests; one whose test code is not known is called by its run or its source."""
    for known in methods():
        same = row.run == known.run or (known.run.endswith("*") and row.run.startswith(known.run[:-1]))
        if same and known.protocol in ("", row.protocol):
            return known
    return Method(row.run, "", row.run or row.source, "", "", "", "", row.source)


def quoted(row: Published) -> Published | None:
    """The figure that a source repeats from another, if it is in the ledger."""
    origin = method(row).quotes
    for other in load() if origin else ():
        same = (other.run, base(other.architecture), other.protocol) == (origin, base(row.architecture), row.protocol)
        if same and (other.k, other.dataset, other.error) == (row.k, row.dataset, row.error):
            return other
    return None


def variant(row: Published) -> str:
    """The variant of the network, one text for one variant; what stands in brackets only explains."""
    known = {line["text"]: line["means"] for line in _table("variants.csv")}
    return plain(known.get(row.variant, row.variant))


def plain(text: str) -> str:
    """A description without what is in brackets, its parts set apart by commas: what two sources can agree on."""
    return re.sub(r"\s*\([^)]*\)", "", text).replace(";", ",").strip()


def printed_digits(value: Decimal) -> int:
    """How many decimals a figure was printed with."""
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


@functools.lru_cache(maxsize=3)
def _table(name: str) -> tuple[dict[str, str], ...]:
    table = importlib.resources.files("benchsuite.explanation") / name
    return tuple(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


def base(architecture: str) -> str:
    """The model behind a name: ``resnet50.v1``, ``timm:resnet50.a1_in1k`` and ``resnet50`` are all ``resnet50``."""
    return architecture.rpartition(":")[2].partition(".")[0]


def matching(architecture: str, protocol: str, dataset: str | None = None) -> tuple[Published, ...]:
    """The figures of the same model under the same protocol, whatever its parameters; top-1 first.

    Variants of the model are in (``resnet50`` finds the rows of ``resnet50.v1``), rows without a figure are not.
    """
    model, rule = base(architecture), protocol.partition(":")[0]
    found = [
        row
        for row in load()
        if row.architecture
        and base(row.architecture) == model
        and row.protocol == rule
        and row.value
        and dataset in (None, row.dataset)
    ]
    return tuple(sorted(found, key=lambda row: row.k))


_SAME_FILE = {"timm.tv_in1k": "IMAGENET1K_V1", "timm.tv2_in1k": "IMAGENET1K_V2"}
_SIZES = ("resize=", "crop=", "interpolation=")


def differences(published: Published, row: Mapping[str, Any]) -> list[str]:
    """In words, what keeps a printed figure and a measured one from being the same measurement; empty if nothing."""
    words = []
    size = SIZES.get(published.dataset)
    if published.dataset != row["dataset"]:
        words.append(f"other dataset ({row['dataset']})")
    elif row["n"] != size:
        words.append(f"{row['n']} images, not the {size}")
    ours, theirs = identity(row["architecture"], row["weights"]), identity(published.architecture, published.weights)
    if ours[0] != theirs[0]:
        words.append("other variant")
    if ours[1] != theirs[1]:
        words.append("other weights")
    scales = [int(s) for s in published.scales.split("+") if s]
    scales = scales or ([published.short_side] if published.short_side else row["resize"])
    crop = [int(published.crop)] if published.crop else row["crop"]
    filters = [w for w in published.resize.split() if w in ("bilinear", "bicubic")] or row["interpolation"]
    if scales != row["resize"] or crop != row["crop"]:
        words.append("other size")
    if filters != row["interpolation"]:
        words.append("other resampling")
    if not row.get("exact", True):
        words.append(f"other pixels ({row['loader']})")
    own = [p for p in split_outside(row["protocol"].partition(":")[2], ",") if p and not p.startswith(_SIZES)]
    return words + ([f"with {', '.join(own)}"] if own else [])


def identity(architecture: str, weights: str) -> tuple[str, str]:
    """The network and the weights under one name each, whatever library they were asked from.

    ``timm:resnet50.a1_in1k`` is the network ``resnet50`` with the weights ``timm.a1_in1k``; timm's ``tv`` tags are
    torchvision's files.
    """
    library, _, name = architecture.rpartition(":")
    if library == "timm":
        name, weights = name.partition(".")[0], f"timm.{weights}"
    return name, _SAME_FILE.get(weights, weights)
