"""The networks of Wang et al. 2020, "High-frequency component helps explain the generalization of CNNs" (HFC)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchsuite.plugins._hfc_recipes import CODE, FASHION, PAPER, grids, recipes

from benchsuite import Architecture, BadParameter, expected, hookimpl

_COMMON = (
    "Pixels are in [0, 1], without mean and std. bn=true adds batch normalisation, which the source leaves out by "
    "default; dropout is on the input of the last layer. Weights start as Xavier's (uniform: which kind is not stated)"
)
NOTE_18 = (
    "ResNet-18 for 32 x 32 pixels, the network that the paper of HFC names: a 3x3 stem of stride 1 without pooling, "
    "1x1 convolutions as shortcuts where the shape changes (both not stated), width=64 to 512 channels. " + _COMMON
)
NOTE_32 = (
    "The network in the code of HFC: 6n + 2 layers (n=5: 32) with 16, 32 and 64 channels, ReLU before each "
    "convolution, shortcuts of 2x2 averages and zeros for new channels (on both sides: not stated). " + _COMMON
)


def build_18(num_classes: int, *, width: int = 64, bn: bool = False, dropout: float = 0.0) -> Any:
    """An untrained network. Raises ``BadParameter`` for values out of range."""
    check({"width": width, "dropout": dropout})
    from benchsuite.plugins._hfc_model import ResNet18

    return ResNet18(num_classes, width=width, bn=bn, dropout=dropout)


def build_32(num_classes: int, *, n: int = 5, bn: bool = False, dropout: float = 0.0) -> Any:
    """An untrained network. Raises ``BadParameter`` for values out of range."""
    check({"n": n, "dropout": dropout})
    from benchsuite.plugins._hfc_model import PreActivationResNet

    return PreActivationResNet(num_classes, blocks=n, bn=bn, dropout=dropout)


def check(options: Mapping[str, Any]) -> None:
    """Raises ``BadParameter`` for values out of range."""
    for name in ("width", "n"):
        if options.get(name, 1) < 1:
            raise BadParameter(expected(name, "at least 1", options[name]))
    if not 0 <= options["dropout"] < 1:
        raise BadParameter(expected("dropout", "0 or more and below 1", options["dropout"]))


@hookimpl
def benchsuite_architectures() -> Iterator[Architecture]:
    """``hfc_resnet18`` with the paper's recipes, and ``hfc_resnet32`` with those of the code and of Fashion-MNIST."""
    for name, build, settings, note in (
        ("hfc_resnet18", build_18, (PAPER,), NOTE_18),
        ("hfc_resnet32", build_32, (CODE, FASHION), NOTE_32),
    ):
        yield Architecture(
            name,
            build,
            settings[0].preprocess,
            recipes=tuple(recipe for setting in settings for recipe in recipes(setting)),
            grids=tuple(grid for setting in settings for grid in grids(setting)),
            check=check,
            note=note,
        )
