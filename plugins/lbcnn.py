"""Local binary convolutional networks (LBCNN) and their dense baseline. Juefei-Xu et al. 2017 (arXiv:1608.06049)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from benchsuite.plugins._lbcnn_recipes import CIFAR, recipes

from benchsuite import Architecture, BadParameter, Input, expected, hookimpl

NOTE = (
    "Fixed sparse filters of -1, 0 and 1 and learned 1x1 convolutions, from juefeix/lbcnn.torch. The default shape is "
    "that of its SVHN recipe, the smallest of three; CIFAR-10's is channels=384,filters=704,depth=50,sparsity=0.001, "
    "MNIST's depth=75,full=128,sparsity=0.5,grey=true. sparsity is the number of draws for each weight: 1 - exp(-s) of "
    "them are not zero. dense=true is the baseline with learned filters; leak=true lets weight decay shrink the fixed "
    "ones, as the original does unasked; grey=true averages an image's channels into one"
)


def build(  # noqa: PLR0913 - each is an option of the command line
    num_classes: int,
    *,
    channels: int = 16,
    filters: int = 512,
    depth: int = 40,
    full: int = 512,
    sparsity: float = 0.9,
    dense: bool = False,
    leak: bool = False,
    grey: bool = False,
    dropout: float = 0.5,
) -> Any:
    """An untrained network. The original calls the options numChannels, numWeights, depth, full, sparsity.

    Raises ``BadParameter`` for values out of range and for options that the dense baseline does not use.
    """
    options = {name: value for name, value in locals().items() if name != "num_classes"}
    check(options)
    from benchsuite.plugins import _lbcnn_model as model

    shape = model.Shape(channels, filters, depth, full)
    draw = None if dense else model.Draw(sparsity, leak)
    return model.LBCNN(shape, draw, num_classes, dropout=dropout, grey=grey)


def check(options: Mapping[str, Any]) -> None:
    """Raises ``BadParameter`` for values out of range and for options that the dense baseline does not use."""
    for name in ("channels", "filters", "depth", "full"):
        if options[name] < 1:
            raise BadParameter(expected(name, "at least 1", options[name]))
    if not (math.isfinite(options["sparsity"]) and options["sparsity"] > 0):
        raise BadParameter(expected("sparsity", "above 0", options["sparsity"]))
    weights = 9 * options["channels"] * options["filters"]
    if options["sparsity"] * weights < 1:
        raise BadParameter(
            expected("sparsity", "enough for one draw", options["sparsity"], f"{weights} weights in a block")
        )
    if not 0 <= options["dropout"] < 1:
        raise BadParameter(expected("dropout", "0 or more and below 1", options["dropout"]))
    for name, default in (("sparsity", 0.9), ("leak", False)):
        if options["dense"] and options[name] != default:
            left, got = (str(value).lower() for value in (default, options[name]))
            raise BadParameter(expected(name, f"left at {left}", got, "dense=true has no fixed filters"))


@hookimpl
def benchsuite_architectures() -> Iterator[Architecture]:
    """``lbcnn``."""
    fixed = Input(fixed=True)
    yield Architecture("lbcnn", build, CIFAR, input=fixed, dense=None, recipes=recipes(), check=check, note=NOTE)
