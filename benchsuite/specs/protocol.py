"""Protocols: which views of an image are tested, and how their logits become one score."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchsuite.errors import BadParameter, expected
from benchsuite.specs.combine import Combine
from benchsuite.specs.perturbation import Perturbation
from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.view import View


@dataclass(frozen=True, slots=True)
class Protocol:
    """A test protocol: ``views(preprocess, *, parameter=default, ...)`` returns the views, ``combine`` merges them.

    The keyword parameters of ``views`` are those that a user may write after the colon; their annotations give the
    types. A parameter ``flip: bool | None = None`` means: mirror if the dataset says that a mirror image keeps its
    class. With ``members``, each of several networks is scored by an inner protocol, and ``combine`` merges their
    scores.

    With ``perturb``, the views are those of another protocol, which the user names with ``of`` (default: ``1crop``),
    with a change of their pixels: see ``perturbing``.
    """

    name: str
    views: Callable[..., tuple[View, ...]]
    combine: Combine
    note: str
    source: str
    members: bool = False
    perturb: Callable[..., Perturbation] | None = None


def perturbing(name: str, perturb: Callable[..., Perturbation], *, note: str, source: str) -> Protocol:
    """A protocol that changes the pixels of another protocol's views.

    ``perturb(*, parameter=default, ...)`` returns the ``Perturbation``. Its keyword parameters are those that a user
    may write after the colon, next to ``of``, which names the other protocol: ``lowpass:r=12,of=10crop(flip=false)``.
    """
    return Protocol(name, no_views, Combine(), note, source, perturb=perturb)


def no_views(preprocess: Preprocess) -> tuple[View, ...]:
    """The views of a protocol that has none of its own."""
    raise BadParameter(expected("the views of a protocol that perturbs", "those of another protocol", "none"))
