"""Reporters: how results are written, as text or into the store of another tool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchsuite.errors import BadParameter, expected

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Rate:
    """An error rate of a run: ``errors`` of ``n`` images, and its 95 % Wilson interval as two fractions in 0..1.

    ``name`` is top1, top5 or, by reassessed labels, real.
    """

    name: str
    errors: int
    n: int
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run as it is exported: its object of ``run --json``, its manifest, and its folder with ``predictions.parquet``.

    ``rates`` are those that the run has: top1, top5 and, where images have reassessed labels, real.
    """

    row: Mapping[str, Any]
    manifest: Mapping[str, Any]
    folder: Path
    rates: tuple[Rate, ...]


@dataclass(frozen=True, slots=True)
class Reporter:
    """A format of results. ``render(rows)`` returns the text of flat result rows, for ``run --format`` and ``export``.

    ``export(runs)`` returns the text of finished runs, for ``export`` alone. ``send(runs, place)`` writes finished runs
    into a store and yields a line for each: where it is now. ``place`` is what the user gave as ``--out``, or None. A
    run that the store has already gets no second entry. Keyword-only parameters of both are options that the user
    writes after the name, as in ``mlflow:experiment=resnets``; their annotations give the types, and each has a
    default. Raises ``BadParameter`` unless one of the three is given.
    """

    name: str
    render: Callable[[Sequence[Mapping[str, Any]]], str] | None
    note: str
    export: Callable[..., str] | None = None
    send: Callable[..., Iterable[str]] | None = None

    def __post_init__(self) -> None:
        if not (self.render or self.export or self.send):
            raise BadParameter(expected(f"the reporter {self.name}", "one with render, export or send", "none of them"))

    @property
    def work(self) -> Callable[..., Any]:
        """What ``benchsuite export`` calls: ``send``, else ``export``, else ``render``."""
        work = self.send or self.export or self.render
        assert work is not None, "checked when it was made"
        return work
