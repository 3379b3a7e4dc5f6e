"""Protocols: which views of an image are tested, and how their logits become one score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchsuite.specs.combine import Combine
from benchsuite.specs.view import View


@dataclass(frozen=True, slots=True)
class Protocol:
    """A way of testing: ``views(preprocess, *, parameter=default, ...)`` makes the views, ``combine`` merges them.

    The keyword parameters of ``views`` are what a user may write after the colon; their annotations give the types.
    A parameter ``flip: bool | None = None`` means "where the dataset says that a mirror image keeps its class".
    With ``members``, several networks are scored by an inner protocol each, and ``combine`` merges the networks.
    """

    name: str
    views: Callable[..., tuple[View, ...]]
    combine: Combine
    note: str
    source: str
    members: bool = False
