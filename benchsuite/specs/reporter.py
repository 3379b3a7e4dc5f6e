"""Reporters: how results are written as text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Reporter:
    """A text format of results: ``render(rows)`` returns the text of flat result rows."""

    name: str
    render: Callable[[Sequence[Mapping[str, Any]]], str]
    note: str
