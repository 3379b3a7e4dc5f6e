"""Architectures: how a network is built, its weights and changes of them, its input, how it makes a score map."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.recipe import Grid, Options, Recipe


@dataclass(frozen=True, slots=True)
class Weights:
    """Named weights of an architecture. ``load()`` returns a state dict; it may download with the library's functions.

    ``file`` is an instruction for users without a connection: which file to download and where to put it. ``origin``
    says where ``preprocess`` is from, if not from what was published with the weights.
    """

    name: str
    load: Callable[[], Mapping[str, Any]]
    preprocess: Preprocess
    classes: int
    source: str
    file: str = ""
    origin: str = ""


@dataclass(frozen=True, slots=True)
class Transform:
    """A change of weights before they are tested: ``apply(module, image, *, parameter=default, ...)``, in place.

    ``module`` is the torch module with its weights, in evaluation mode and on the CPU. ``image`` is an image that it
    takes: float32 zeros (1, channels, h, w). No gradients are recorded. The keyword-only parameters are those that a
    user writes after the colon, as in ``smooth:rho=1``; their annotations give the types. ``check(parameters)``
    receives all of them, defaults filled in, and raises for values that are not possible, before a network is built.
    """

    name: str
    apply: Callable[..., None]
    note: str
    source: str
    check: Callable[[Mapping[str, Any]], None] | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """The input of a network: its ``channels``, and whether its size is ``fixed`` to the nominal crop."""

    channels: int = 3
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class DenseParts:
    """A network in two parts: ``features(x)``: (n, 3, H, W) -> (n, k, h, w); ``head(f)``: (m, k, 1, 1) -> (m, c)."""

    features: Callable[[Any], Any]
    head: Callable[[Any], Any]


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network, its weights and recipes. ``build(num_classes) -> torch.nn.Module``; the first weights are the default.

    The keyword-only parameters of ``build`` are the options that a user writes after the name, as in ``pnn:level=0.1``;
    their annotations give the types. ``check(options)`` receives all options, defaults filled in, and raises for a
    combination that is not possible. ``dense`` says how a score map is made: ``"auto"`` replaces the network's last
    global pooling by a moving window; a function ``dense(module) -> DenseParts`` returns the two parts; ``None`` means
    that the network has a fixed size and makes no score map. ``adapt(tensors, module)`` is the library's own conversion
    of files that name their tensors otherwise; it returns tensors by the names of the module. ``file_options`` are the
    options of ``build`` for weights from files that are not declared, such as no input transform: ``--weights
    FILE,OPTION=VALUE`` sets others.

    ``code`` identifies the code of the network where the version of an installed plugin does not, such as the digest of
    a file. ``preprocessing`` says when ``preprocess`` is used for weights that bring none: by ``default``, on data sets
    that have no usual one; ``always``; or ``never``, since it is a placeholder. ``own_input(options)`` says in words
    what the network itself does to its normalised input; empty for nothing. It receives the options as ``check`` does.
    ``residual`` says that it has residual blocks as torchvision's ResNets, some of which may rest in training.
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
    adapt: Callable[[Mapping[str, Any], Any], Mapping[str, Any]] | None = None
    file_options: Options = ()
    code: str = ""
    preprocessing: Literal["default", "always", "never"] = "default"
    own_input: Callable[[Mapping[str, Any]], str] | None = None
    residual: bool = False


@dataclass(frozen=True, slots=True)
class Family:
    """Architectures that are made on demand from a library, as ``PREFIX:NAME``.

    ``resolve(NAME)`` returns one of them, or raises ``UnknownName``; ``names()`` lists them; none
    if they cannot be listed.
    """

    prefix: str
    resolve: Callable[[str], Architecture]
    names: Callable[[], Sequence[str]]
    note: str = ""

    @property
    def name(self) -> str:
        """The name under which the family is listed, for example ``timm:NAME``."""
        return f"{self.prefix}:NAME"
