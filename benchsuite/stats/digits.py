"""Numbers as text for people: how many digits they have and how they are rounded."""

from __future__ import annotations

from fractions import Fraction

from benchsuite.stats.metrics import Count
from benchsuite.stats.significance import wilson


def places(n: int) -> int:
    """The number of decimals for a percentage of n images."""
    return max(2, len(str(n - 1)) - 2)


def decimals(value: Fraction, digits: int) -> str:
    """A number with ``digits`` decimals (at least one), rounded half away from zero."""
    scaled = abs(value) * 10**digits
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    text = str(whole).rjust(digits + 1, "0")
    sign = "-" if value < 0 and whole else ""
    return f"{sign}{text[:-digits]}.{text[-digits:]}"


def signed(value: Fraction, digits: int) -> str:
    """A change with its sign: ``-1.40``, ``+0.00``."""
    text = decimals(value, digits)
    return text if text.startswith("-") else f"+{text}"


def p_value(p: float) -> str:
    """Three decimals such as ``0.143``; below 0.001 such as ``1.9e-11``; up to 1e-300 ``< 1e-300``."""
    if p >= 0.001:
        return decimals(Fraction(p), 3)
    return f"{p:.1e}" if p > 1e-300 else "< 1e-300"


def percent(count: Count) -> str:
    """``58 of 500`` -> ``11.60``."""
    return decimals(100 * count.ratio, places(count.total))


def with_interval(count: Count) -> str:
    """The percentage with its 95 % Wilson interval: ``11.60 [9.08, 14.70]``."""
    low, high = (decimals(100 * Fraction(bound), places(count.total)) for bound in wilson(count))
    return f"{percent(count)} [{low}, {high}]"
