"""Protocols: which views of an image are tested, and how their logits become one score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchsuite.specs.combine import Combine
from benchsuite.specs.view import View


@dataclass(frozen=True, slots=True)
class Protocol:
    """A test protocol: ``views(preprocess, *, parameter=default, ...)`` returns the views, ``combine`` merges them.

    The keyword parameters of ``views`` are those that a user may write after the colon; their annotations give the
    types. A parameter ``flip: bool | None = None`` means: mirror if the dataset says that a mirror image keeps its
    class. With ``members``, each of several networks is scored by an inner protocol, and ``combine`` merges their
    scores.
    """

    name: str
    views: Callable[..., tuple[View, ...]]
    combine: Combine
    note: str
    source: str
    members: bool = False
