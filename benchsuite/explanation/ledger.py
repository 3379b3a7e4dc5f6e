"""The ledger of published figures: their values, sources and protocols, and whether they were verified.

``published.csv`` holds the figures, ``methods.csv`` how their sources test, ``variants.csv`` different names of one
variant, ``claims.csv`` what authors say about the difference between figures, ``trained.csv`` the recipes that repeat
trainings.
"""

from __future__ import annotations

import csv
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from benchsuite.specs.parameters import split_outside

METRICS = {"top1_error": 1, "top5_error": 5, "top1_accuracy": 1}
"""The metrics of the ledger and their k: an answer is right if the label is among the k best classes."""

SIZES = {"imagenet": 50_000, "cifar10": 10_000, "mnist": 10_000, "fashion-mnist": 10_000, "svhn": 26_032, "digits": 360}
"""Number of images in the split that figures are published on; an error rate on fewer images is another figure."""


@dataclass(frozen=True, slots=True)
class Published:
    """One published figure. A field is empty if the source does not state it.

    ``value`` is the text as published, in percent; ``metric`` is a key of ``METRICS``. ``architecture``, ``dataset``,
    ``protocol`` and ``weights`` are benchsuite's names; ``protocol_text`` and ``run`` are the source's words.
    ``status`` is ``unverified`` if no original was seen; such a figure is never shown as a verified one.
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
        """The error rate in percent, exactly: as published, or 100 minus the published accuracy. None without value."""
        return error_of(self.value, self.metric)

    @property
    def short_side(self) -> int | None:
        """The length in pixels that the source resizes the shorter side to; None if not stated."""
        first = self.resize.partition(" ")[0]
        return int(first) if first else None

    @property
    def measurement(self) -> str:
        """The id without ``-top1`` or ``-top5``, which is the same for both figures of one measurement."""
        return self.id.removesuffix("-top1").removesuffix("-top5")


def error_of(value: str, metric: str) -> Decimal | None:
    """The error rate in percent of a figure, with as many decimals as its ``value`` in print; None without a value."""
    if not value:
        return None
    return 100 - Decimal(value) if metric.endswith("accuracy") else Decimal(value)


@dataclass(frozen=True, slots=True)
class Method:
    """How a source tests, beyond what its figures state. A field is empty if nothing is stated.

    ``run`` is the ``run`` of the figures, or its beginning and ``*``. ``protocol`` is empty if the row holds for all
    protocols. ``code`` names the evaluation code. ``rounding``, ``merge`` and ``flip`` are values of parameters of
    protocols. ``quotes`` is the run whose figure this source repeats.
    """

    run: str
    protocol: str
    code: str
    rounding: str
    merge: str
    flip: str
    quotes: str
    source: str


@dataclass(frozen=True, slots=True)
class Trained:
    """The ``recipe`` that repeats the training behind the figure ``id``, and the accounting that printed it.

    ``options`` are those of the network that the source states, as in its name: ``hidden=10,relu=false``.

    The accounting is empty if it is that of the recipe. Where the source leaves it open, it names those that are
    possible, with spaces between them, the usual one first.
    """

    id: str
    recipe: str
    accounting: str
    options: str = ""


@dataclass(frozen=True, slots=True)
class Claim:
    """What an author says about the figures ``rows`` (their ids).

    ``causes`` are the factors that it names for their difference. A claim is no measurement, and more than the figures
    alone allow to conclude. ``url`` is that of the source; if no original was seen, of a page where the author prints
    the first of the figures.
    """

    id: str
    rows: tuple[str, ...]
    causes: tuple[str, ...]
    author: str
    claim: str
    source: str
    url: str


@functools.lru_cache(maxsize=1)
def load() -> tuple[Published, ...]:
    """Every row of the ledger, in the order of the file."""
    return tuple(Published(**row) for row in _table("published.csv"))


@functools.lru_cache(maxsize=1)
def methods() -> tuple[Method, ...]:
    """How the sources test: first the rows for one protocol, then those for all protocols."""
    return tuple(sorted((Method(**row) for row in _table("methods.csv")), key=lambda m: not m.protocol))


def method(row: Published) -> Method:
    """How the source of a figure tests. If that is unknown, the figure's run or source stands for its code."""
    for known in methods():
        same = row.run == known.run or (known.run.endswith("*") and row.run.startswith(known.run[:-1]))
        if same and known.protocol in ("", row.protocol):
            return known
    return Method(row.run, "", row.run or row.source, "", "", "", "", row.source)


def quoted(row: Published) -> Published | None:
    """The original of a figure that its source repeats from another; None if it is not in the ledger."""
    origin = method(row).quotes
    for other in load() if origin else ():
        same = (other.run, base(other.architecture), other.protocol) == (origin, base(row.architecture), row.protocol)
        if same and (other.k, other.dataset, other.error) == (row.k, row.dataset, row.error):
            return other
    return None


def variant(row: Published) -> str:
    """The variant of the network: the same text for the same variant, without explanations in brackets."""
    known = {line["text"]: line["means"] for line in _table("variants.csv")}
    return plain(known.get(row.variant, row.variant))


def plain(text: str) -> str:
    """A description in a form that can be compared: without the parts in brackets, and with ``,`` in place of ``;``."""
    return re.sub(r"\s*\([^)]*\)", "", text).replace(";", ",").strip()


def rounding(value: Decimal) -> Decimal:
    """The largest error that rounding to its decimals can have made in a published figure: 0.05 for ``24.7``."""
    return Decimal(5).scaleb(-printed_digits(value) - 1)


def printed_digits(value: Decimal) -> int:
    """The number of decimals that a figure was published with."""
    exponent = value.as_tuple().exponent
    return -exponent if isinstance(exponent, int) and exponent < 0 else 0


@functools.lru_cache(maxsize=1)
def claims() -> tuple[Claim, ...]:
    """What authors say about the difference between figures, in the order of the file."""
    lists = ("rows", "causes")
    return tuple(
        Claim(**{k: tuple(v.split()) if k in lists else v for k, v in row.items()})  # type: ignore[arg-type]
        for row in _table("claims.csv")
    )


def claim_on(*figures: Published) -> Claim | None:
    """The first claim about all of these figures, or about the originals that they repeat; None if there is none."""
    wanted = {(quoted(row) or row).id for row in figures}
    return next((claim for claim in claims() if wanted <= set(claim.rows)), None)


@functools.lru_cache(maxsize=5)
def _table(name: str) -> tuple[dict[str, str], ...]:
    import importlib.resources

    table = importlib.resources.files("benchsuite.explanation") / name
    return tuple(csv.DictReader(table.read_text(encoding="utf-8").splitlines()))


def base(architecture: str) -> str:
    """The model of a name: ``resnet50`` for ``resnet50.v1``, ``timm:resnet50.a1_in1k`` and ``resnet50:width=2``."""
    return _parted(architecture)[0].rpartition(":")[2].partition(".")[0]


def is_of(row: Published, model: str) -> bool:
    """Whether a figure is of this model, which has no options: nobody published those that a user chooses."""
    return bool(row.architecture) and base(row.architecture) == base(model) and not _parted(model)[1]


def _parted(architecture: str) -> tuple[str, list[str]]:
    """``pnn:level=1,nmasks=8`` -> the name without its options, and these."""
    name, _, last = architecture.rpartition(":")
    return (name, split_outside(last, ",")) if name and "=" in last else (architecture, [])


def matching(architecture: str, protocol: str, dataset: str | None = None) -> tuple[Published, ...]:
    """The figures of the same model under the same protocol with any parameters; top-1 first.

    Variants of the model are included (``resnet50`` finds the rows of ``resnet50.v1``), rows without a value are not.
    ``dataset`` None finds the figures of all datasets.
    """
    model, rule = base(architecture), protocol.partition(":")[0]
    rows = [
        row
        for row in load()
        if row.architecture
        and base(row.architecture) == model
        and row.protocol == rule
        and row.value
        and dataset in (None, row.dataset)
    ]
    return tuple(sorted(rows, key=lambda row: row.k))


_SAME_FILE = {"timm.tv_in1k": "IMAGENET1K_V1", "timm.tv2_in1k": "IMAGENET1K_V2"}
_SIZES = ("resize=", "crop=", "interpolation=")


@functools.lru_cache(maxsize=1)
def trained() -> Mapping[str, Trained]:
    """How the trainings behind figures are repeated, by the id of the figure."""
    return {row["id"]: Trained(**row) for row in _table("trained.csv")}


def differences(published: Published, row: Mapping[str, Any]) -> list[str]:
    """In words, in what a published and a measured figure differ as measurements; empty if in nothing.

    A network with options has those of the figure, or differs: they are the usual ones if the source states none. Of a
    network with the usual options it is its weights that differ from those of a figure with others.
    """
    words = []
    size = SIZES.get(published.dataset, row["n"])
    if published.dataset != row["dataset"]:
        words.append(f"other dataset ({row['dataset']})")
    elif row["n"] != size:
        words.append(f"{row['n']} images, not the {size}")
    name, options = _parted(row["architecture"])
    ours, theirs = identity(name, row["weights"]), identity(published.architecture, published.weights)
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
    known = trained().get(published.id)
    stated = split_outside(known.options, ",") if known and known.options else []
    own = [p for p in split_outside(row["protocol"].partition(":")[2], ",") if p and not p.startswith(_SIZES)]
    own = [p for p in options if p not in stated] + own
    missing = [p for p in stated if p not in options] if options else []
    return words + [f"{word} {', '.join(some)}" for word, some in (("with", own), ("without", missing)) if some]


def identity(architecture: str, weights: str) -> tuple[str, str]:
    """The names of a network and its weights, which are the same from whatever library they come.

    ``timm:resnet50.a1_in1k`` is the network ``resnet50`` with the weights ``timm.a1_in1k``. timm's ``tv_in1k`` and
    ``tv2_in1k`` are torchvision's files, and get torchvision's names.
    """
    library, _, name = architecture.rpartition(":")
    if library == "timm":
        name, weights = name.partition(".")[0], f"timm.{weights}"
    return name, _SAME_FILE.get(weights, weights)
