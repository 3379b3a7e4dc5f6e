"""Profiles as tables of text: where the time of each pass went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from benchsuite.stats.digits import decimals
from benchsuite.tables import Table

PROFILE = (
    "architecture",
    "protocols",
    "images",
    "decode s",
    "resize s",
    "wait s",
    "forward s",
    "other s",
    "total s",
    "images/s",
    "forward alone",
    "of it",
    "peak GiB",
)
_RATES = ("images_per_second", "forward_alone")


def profile_table(profiles: Iterable[Mapping[str, Any]]) -> Table:
    """Where the time of each pass went: the headers, and one list of cells per object of ``profiles.profiles``."""
    lines = []
    for one in profiles:
        total, memory = one["total"], [one["peak_memory"], one["device_memory"]]
        lines.append(
            [
                one["architecture"],
                " + ".join(one["protocols"]),
                str(one["images"]),
                *(decimals(Fraction(one[part]), 2) for part in ("decode", "resize")),
                *(_with_share(one[part], total) for part in ("wait", "forward", "other")),
                decimals(Fraction(total), 2),
                *("" if one[r] is None else decimals(Fraction(one[r]), 1) for r in _RATES),
                "" if one["of_limit"] is None else decimals(Fraction(one["of_limit"]), 2),
                " + ".join(decimals(Fraction(size, 2**30), 2) for size in memory if size is not None),
            ]
        )
    return list(PROFILE), lines


def _with_share(part: float, total: float) -> str:
    """Seconds, and the part of the whole: ``1.25 (10 %)``."""
    share = f" ({decimals(100 * Fraction(part) / Fraction(total), 1)} %)" if total else ""
    return decimals(Fraction(part), 2) + share
