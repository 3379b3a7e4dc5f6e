"""Perturbative neural networks (PNN): fixed random masks and 1x1 convolutions instead of filters.

There are three code bases with the same idea and different layers. The options are named as on their command lines.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from benchsuite.plugins._pnn_recipes import CIFAR, DISPUTE, recipes

from benchsuite import Architecture, BadParameter, Input, Preprocess, expected, hookimpl

Variant = Literal["klachko", "update"]
Net = Literal["perturb_resnet18", "noiseresnet18", "cifarnet", "lenet", "resnet18"]
Act = Literal["relu", "lrelu", "prelu", "rrelu", "elu", "selu", "tanh", "sigmoid"]
Kind = Literal["uniform", "normal"]
Pool = Literal["max", "avg"]
Options = Mapping[str, Any]

MNIST = Preprocess(28, 28, "bilinear", (0.1307,) * 3, (0.3081,) * 3)
DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}
"""Blocks in each stage of the original, by the number of layers; from 50 layers on the blocks are bottlenecks."""

NOTE = (
    "Fixed random masks and 1x1 convolutions in the place of filters: Klachko's code with its defaults (nfilters=128 "
    "is his experiment 5). net=perturb_resnet18, cifarnet, lenet, noiseresnet18 (the original's layers) or resnet18 "
    "(his baseline, no masks). filter_size and first_filter_size: 0 is masks, other numbers are filters. nmasks is the "
    "fan-out of a channel, unique_masks gives each channel its own, train_masks lets them learn, mix_maps adds a 1x1 "
    "over all channels; scale_noise and use_act are about the first layer. variant=update is the version of the author "
    "of PNN: perturb_resnet18 with a first layer of 5 * nfilters masks for each colour at 20 times the level, "
    "sigmoids, 3 * nfilters maps and a 1x1 to nfilters; noiseresnet18 with random first filters that stay as they are"
)
NOTE_MNIST = "lenet and cifarnet of pnn for 28 x 28 pixels and one channel: the mean of the three colours"
NOTE_ORIGINAL = (
    "The first code of the author of PNN: masks, ReLU, batch normalisation, 1x1; pooling where others have strides. "
    "first_filter_size=3 is his later repair: a 3x3 stem of stride 1, no first pooling, a last pooling of 4. His masks "
    "were not saved with the weights; here they are"
)


@dataclass(frozen=True, slots=True)
class Code:
    """An architecture of Klachko's code: its variants, networks and image size. The first network is the default."""

    name: str
    variants: tuple[Variant, ...]
    nets: tuple[Net, ...]
    preprocess: Preprocess
    note: str


NETS: tuple[Net, ...] = ("perturb_resnet18", "noiseresnet18", "cifarnet", "lenet", "resnet18")
CODES = (
    Code("pnn", ("klachko", "update"), NETS, CIFAR, NOTE),
    Code("pnn.mnist", ("klachko",), ("lenet", "cifarnet"), MNIST, NOTE_MNIST),
)


@hookimpl
def benchsuite_architectures() -> Iterator[Architecture]:
    """``pnn``, ``pnn.mnist``, and ``noiseresnet18`` to ``noiseresnet152``."""
    fixed = Input(fixed=True)
    for code in CODES:
        yield Architecture(
            code.name,
            builder(code),
            code.preprocess,
            input=fixed,
            dense=None,
            recipes=recipes() if code.name == "pnn" else (),
            grids=(DISPUTE,) if code.name == "pnn" else (),
            check=partial(check_klachko, code),
            note=code.note,
        )
    for layers in DEPTHS:
        build, name = builder_of_original(layers), f"noiseresnet{layers}"
        yield Architecture(name, build, CIFAR, input=fixed, dense=None, check=check_original, note=NOTE_ORIGINAL)


def builder(code: Code) -> Callable[..., Any]:
    """Returns the function that builds the networks of Klachko's code or of its update."""

    def build(  # noqa: PLR0913 - each is an option of the command line
        num_classes: int,
        *,
        variant: Variant = "klachko",
        net: Net = code.nets[0],
        nfilters: int = 64,
        first_filter_size: int = 0,
        filter_size: int = 0,
        nmasks: int = 1,
        unique_masks: bool = True,
        train_masks: bool = False,
        mix_maps: bool = False,
        noise_type: Kind = "uniform",
        level: float = 0.5,
        scale_noise: float = 1.0,
        act: Act = "relu",
        use_act: bool = False,
        pool_type: Pool = "max",
        dropout: float = 0.5,
    ) -> Any:
        """An untrained network. Raises ``BadParameter`` for options that cannot work together."""
        given = locals()
        options = {name: given[name] for name in _defaults(build)}
        check_klachko(code, options)
        from benchsuite.plugins import _pnn_layers as layers
        from benchsuite.plugins import _pnn_model as model

        masks = layers.Masks(level, nmasks, unique_masks, train_masks, noise_type)
        style = layers.Style(masks, filter_size, mix_maps, act, pool_type)
        make = model.updated if variant == "update" else model.klachko
        shape = model.Shape(nfilters, code.preprocess.crop, num_classes)
        first = model.First(first_filter_size, scale_noise, use_act)
        return make(net, shape, style, first, dropout)

    return build


def builder_of_original(layers: int) -> Callable[..., Any]:
    """Returns the function that builds the original network with that many layers."""

    def build(num_classes: int, *, nfilters: int = 128, level: float = 0.1, first_filter_size: int = 7) -> Any:
        """An untrained network. Raises ``BadParameter`` for values out of range."""
        check_original({"nfilters": nfilters, "level": level, "first_filter_size": first_filter_size})
        from benchsuite.plugins import _pnn_model as model

        shape = model.Shape(nfilters, 32, num_classes, DEPTHS[layers], 1 if layers < 50 else 4)
        return model.noiseresnet(shape, first_filter_size, level)

    return build


def check_original(options: Options) -> None:
    """Raises ``BadParameter`` for values that the original network cannot have."""
    _check_ranges(options)
    _one_of("first_filter_size", options, (3, 7), "the first layer has filters, no masks")


def check_klachko(code: Code, options: Options) -> None:
    """Raises ``BadParameter`` for options that cannot be combined, and for options that would have no effect."""
    net, update = options["net"], options["variant"] == "update"
    _one_of("variant", options, code.variants, f"{code.name} has no other")
    _one_of("net", options, code.nets, f"{code.name} has no other")
    if update:
        _one_of("net", options, ("perturb_resnet18", "noiseresnet18"), "variant=update leaves the others as they were")
    _check_ranges(options)
    if net == "noiseresnet18":
        why = "its first layer has filters; net=perturb_resnet18 can have masks there"
        _one_of("first_filter_size", options, (3, 7), why)
    elif net != "resnet18":
        _check_sizes(options)
        colours = 1 if code.name == "pnn.mnist" else 3
        groups = options["nmasks"] != 1 and options["first_filter_size"] == 0 and not update
        if groups and options["nfilters"] % colours:
            why = f"nmasks={options['nmasks']} in the first layer gives each colour its own part of the maps; "
            why += "first_filter_size=3 has filters there"
            raise BadParameter(expected("nfilters", f"divisible by {colours}", options["nfilters"], why))
    used, defaults = _used(options), _defaults(builder(code))
    for name, value in options.items():
        if name not in used and value != defaults[name]:
            left, got = _shown(defaults[name]), _shown(value)
            raise BadParameter(expected(name, f"left at {left}", got, f"{_short(options)} makes no use of it"))


def _check_ranges(options: Options) -> None:
    for name in ("nfilters", "nmasks"):
        if options.get(name, 1) < 1:
            raise BadParameter(expected(name, "at least 1", options[name]))
    for name in ("level", "scale_noise"):
        if not (math.isfinite(options.get(name, 0)) and options.get(name, 0) >= 0):
            raise BadParameter(expected(name, "0 or more", options[name]))
    if not 0 <= options.get("dropout", 0) < 1:
        raise BadParameter(expected("dropout", "0 or more and below 1", options["dropout"]))


def _check_sizes(options: Options) -> None:
    """Raises ``BadParameter`` for filter sizes whose maps do not fit the next layer.

    Klachko's code fails on them at the first image.
    """
    net, first, rest = options["net"], options["first_filter_size"], options["filter_size"]
    plain = net in ("lenet", "cifarnet")
    why = {
        5: "a 5x5 filter is padded by 1, so that maps shrink and no longer fit what follows",
        7: "a 7x7 filter has stride 2, so that maps no longer fit what follows",
    }
    _one_of("filter_size", options, (0, 1, 3), why.get(rest, "the code knows no other"))
    if first == 7 and rest == 0:
        why[7] = "a 7x7 filter has stride 2, so that maps are smaller than the masks of the next layer"
    elif first == 7 and not plain:
        why[7] = "a 7x7 filter and its pooling leave maps that are smaller than the last pooling, 4x4"
    elif first == 5 and plain and rest == 0:
        why[5] = "a 5x5 filter is padded by 1, so that maps are smaller than the masks of the next layer"
    allowed = (0, 1, 3, 5) if plain and rest else (0, 1, 3)
    _one_of("first_filter_size", options, allowed, why.get(first, "the code knows no other"))


def _used(options: Options) -> set[str]:
    """The names of the options that have an effect on this network."""
    net, update = options["net"], options["variant"] == "update"
    used = {"variant", "net", "nfilters"}
    if net == "resnet18":
        return used
    if net == "noiseresnet18":
        return used | {"first_filter_size", "level"}
    used |= {"first_filter_size", "filter_size", "act", "pool_type"}
    used |= {"dropout"} if net in ("lenet", "cifarnet") else set()
    first, rest = options["first_filter_size"] == 0, options["filter_size"] == 0
    if first or rest:
        used |= {"unique_masks", "train_masks", "mix_maps", "noise_type", "level"}
    if rest or (first and not update):
        used.add("nmasks")
    if first:
        used |= {"scale_noise"} if update else {"scale_noise", "use_act"}
    return used


def _one_of(name: str, options: Options, allowed: tuple[Any, ...], why: str) -> None:
    if options[name] not in allowed:
        *most, last = map(str, allowed)
        rule = f"{', '.join(most)} or {last}" if most else last
        rule += f" for {options['net']}" if name not in ("variant", "net") and "net" in options else ""
        raise BadParameter(expected(name, rule, options[name], why))


def _shown(value: Any) -> str:
    """A value as a user types it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _short(options: Options) -> str:
    """A short description of the network for error messages."""
    sizes = f" with first_filter_size={options['first_filter_size']} and filter_size={options['filter_size']}"
    plain = options["net"] in ("resnet18", "noiseresnet18")
    words = f"{options['net']}{'' if plain else sizes}"
    return words if options["variant"] == "klachko" else f"{words} of variant={options['variant']}"


def _defaults(build: Callable[..., Any]) -> dict[str, Any]:
    """Every option with its default value."""
    parameters = inspect.signature(build).parameters.values()
    return {p.name: p.default for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY}
