"""Architectures: how a network is built, its weights, what it takes, how it makes a score map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.recipe import Grid, Recipe


@dataclass(frozen=True, slots=True)
class Weights:
    """Named weights of an architecture. ``load()`` returns a state dict; it may download, by the library's own means.

    ``file`` says in words which file to put where when there is no connection.
    """

    name: str
    load: Callable[[], Mapping[str, Any]]
    preprocess: Preprocess
    classes: int
    source: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Input:
    """What a network takes: ``channels``, and whether its input size is ``fixed`` to the nominal crop."""

    channels: int = 3
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class DenseParts:
    """A network in two parts: ``features(x)``: (n, 3, H, W) -> (n, k, h, w); ``head(f)``: (m, k, 1, 1) -> (m, c)."""

    features: Callable[[Any], Any]
    head: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network and what goes with it. ``build(num_classes) -> torch.nn.Module``; the first weights are the default.

    Keyword-only parameters of ``build`` are the options that a user writes after the name: ``pnn:level=0.1``; their
    annotations give the types. ``check(options)`` refuses a combination; it gets all of them, defaults filled in.
    ``dense`` says how a score map is made: ``"auto"`` looks for the network's last global pooling and replaces it by a
    moving window; a function ``dense(module) -> DenseParts`` gives the parts; ``None`` means "fixed size".
    """

    name: str
    build: Callable[..., Any]
    preprocess: Preprocess
    weights: tuple[Weights, ...] = ()
    input: Input = Input()
    dense: Literal["auto"] | Callable[[Any], DenseParts] | None = "auto"
    recipes: tuple[Recipe, ...] = ()
    grids: tuple[Grid, ...] = ()
    check: Callable[[Mapping[str, Any]], None] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Architectures made on demand from a library: ``PREFIX:NAME``. ``resolve`` raises ``UnknownName``."""

    prefix: str
    resolve: Callable[[str], Architecture]
    names: Callable[[], Sequence[str]]
    note: str = ""

    @property
    def name(self) -> str:
        """``timm:NAME``: how the family is listed."""
        return f"{self.prefix}:NAME"
