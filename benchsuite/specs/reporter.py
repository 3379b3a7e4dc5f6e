"""Reporters: how results are written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reporter:
    """A way of writing results down: ``render(rows)`` turns flat result rows into text."""

    name: str
    render: Callable[[Sequence[Mapping[str, Any]]], str]
    note: str
