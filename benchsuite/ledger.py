"""The ledger of published numbers: what was printed, by whom, under which protocol, and whether it was verified."""

from __future__ import annotations

import csv
import functools
import importlib.resources
from dataclasses import dataclass
from decimal import Decimal

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


@functools.lru_cache(maxsize=1)
def load() -> tuple[Published, ...]:
    """Every row of the ledger, in the order of the file."""
    table = importlib.resources.files("benchsuite.data") / "published.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    return tuple(Published(**row) for row in csv.DictReader(lines))


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
