"""Scales, ticks and positions of labels, for the plots of the page and of matplotlib alike."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Maps values in ``low``..``high`` to ``start``..``end``, linearly or (``log``, values above 0) logarithmically."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The position of a value."""
        low, high, at = (math.log(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (self.end - self.start) * (at - low) / (high - low)


def around(values: Iterable[float], *, margin: float = 0.04) -> tuple[float, float]:
    """The bounds of an axis: the range of the finite values with a margin on both sides, never empty."""
    known = [v for v in values if math.isfinite(v)] or [0.0, 1.0]
    low, high = min(known), max(known)
    more = (high - low) * margin or max(abs(high) * margin, 0.5)
    return low - more, high + more


def around_log(values: Iterable[float]) -> tuple[float, float]:
    """The bounds of a logarithmic axis."""
    low, high = around([math.log(v) for v in values], margin=0.08)
    return math.exp(low), math.exp(high)


def ticks(low: float, high: float, most: int) -> list[float]:
    """Round values within the bounds, about ``most`` and at least 2, at steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last <= first:
        return ticks(low, high, most + 1)
    return [round(i * step, 12) for i in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[float]:
    """Round values within the bounds of a logarithmic axis: 1, 2, 5 of each decade, fewer if they exceed ``most``."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in ((1, 2, 5), (1, 3), (1,)):
        values = [d * 10.0**e for e in decades for d in digits if low <= d * 10.0**e <= high]
        if len(values) <= most:
            break
    return values if len(values) > 1 else [low * (high / low) ** f for f in (0.15, 0.85)]


def written(values: Sequence[float]) -> list[str]:
    """Ticks as text: with as many decimals as needed to distinguish them, and with a true minus sign."""
    for digits in range(7):
        texts = [f"{v:.{digits}f}" for v in values]
        if len(set(texts)) == len(values) and all(
            math.isclose(float(t), v, rel_tol=1e-3, abs_tol=1e-9) for t, v in zip(texts, values, strict=True)
        ):
            break
    return [minus(t) for t in texts]


def minus(text: str) -> str:
    """The text with a true minus sign (U+2212) before its numbers instead of a hyphen; the rest is unchanged."""
    return "".join(
        "−" if c == "-" and text[i + 1 : i + 2].isdigit() and not text[i - 1 : i].isalnum() else c
        for i, c in enumerate(text)
    )


def width(text: str, size: float) -> float:
    """The approximate width of a text, in the unit of ``size``: ideographs and emoji are wide, letters average."""
    return size * sum(
        1.0 if unicodedata.east_asian_width(c) in "WF" else 0.0 if unicodedata.combining(c) else 0.58 for c in text
    )


def fit(text: str, room: float, size: float) -> str:
    """The text, shortened with an ellipsis if it is wider than ``room``."""
    if width(text, size) <= room:
        return text
    while text and width(text + "…", size) > room:
        text = text[:-1]
    return text.rstrip() + "…"


def apart(points: Sequence[tuple[float, float]], step: float = 7.0) -> list[tuple[float, float]]:
    """The points, with those at the same x moved apart, so that their intervals do not overlap."""
    groups: dict[int, list[int]] = {}
    for i, (x, _) in enumerate(points):
        groups.setdefault(round(x), []).append(i)
    moved = list(points)
    for group in groups.values():
        reach = min(step, 60 / len(group))
        for place, i in enumerate(group):
            moved[i] = points[i][0] + (place - (len(group) - 1) / 2) * reach, points[i][1]
    return moved


def place(points: Sequence[tuple[float, float]], labels: Sequence[str], size: float, frame: Box) -> list[Box | None]:
    """The box of each point's label: next to, above or below the point; None if it would overlap a point or a label."""
    taken: list[Box] = [(x - 4, y - 4, x + 4, y + 4) for x, y in points]
    chosen: list[Box | None] = []
    for (x, y), label in zip(points, labels, strict=True):
        wide, high = width(label, size), size * 1.2
        corners = (
            (x + 8, y - high / 2),
            (x - 8 - wide, y - high / 2),
            (x - wide / 2, y - 8 - high),
            (x - wide / 2, y + 8),
            (x + 6, y - 6 - high),
            (x + 6, y + 6),
            (x - 6 - wide, y - 6 - high),
            (x - 6 - wide, y + 6),
        )
        boxes = [(left, top, left + wide, top + high) for left, top in corners]
        free = [b for b in boxes if _inside(b, frame) and not any(_overlap(b, other) for other in taken)]
        chosen.append(free[0] if free else None)
        taken += free[:1]
    return chosen


def _inside(box: Box, frame: Box) -> bool:
    return frame[0] <= box[0] and frame[1] <= box[1] and box[2] <= frame[2] and box[3] <= frame[3]


def _overlap(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
