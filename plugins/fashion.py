"""The small networks behind published Fashion-MNIST figures: multilayer perceptrons, LeNet with sigmoids, TinyVGG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from benchsuite.plugins._fashion_recipes import LENET, PERCEPTRONS, PREPROCESS, TINY_VGG

from benchsuite import Architecture, BadParameter, Input, expected, hookimpl

_COMMON = "For grey pictures of 28 x 28 pixels, whose equal channels are averaged into one. Pixels are in [0, 1]"
NOTE_MLP = (
    "A multilayer perceptron: linear layers of hidden=256+128+64 units with ReLU between them (relu=false: without); "
    "relu_out=true adds one after the last layer, as D. Bourke's model_1 has it. start: the uniform weights of torch, "
    f"of Keras (Glorot) or of MXNet (Xavier, magnitude 2.24). {_COMMON}"
)
NOTE_LENET = (
    f"LeNet as Dive into Deep Learning has it, with sigmoids, average pooling and uniform Xavier weights. {_COMMON}"
)
NOTE_VGG = f"Two blocks of two 3x3 convolutions with width=10 channels, from D. Bourke's course. {_COMMON}"


def build_mlp(
    num_classes: int,
    *,
    hidden: tuple[int, ...] = (256, 128, 64),
    relu: bool = True,
    relu_out: bool = False,
    start: Literal["torch", "keras", "mxnet"] = "torch",
) -> Any:
    """An untrained perceptron. Raises ``BadParameter`` for values out of range."""
    check({"hidden": hidden})
    from benchsuite.plugins._fashion_model import perceptron

    return perceptron(hidden, num_classes, relu=relu, relu_out=relu_out, start=start)


def build_lenet(num_classes: int) -> Any:
    """An untrained LeNet."""
    from benchsuite.plugins._fashion_model import lenet

    return lenet(num_classes)


def build_vgg(num_classes: int, *, width: int = 10) -> Any:
    """An untrained TinyVGG. Raises ``BadParameter`` for values out of range."""
    check({"width": width})
    from benchsuite.plugins._fashion_model import tiny_vgg

    return tiny_vgg(num_classes, width=width)


def check(options: Mapping[str, Any]) -> None:
    """Raises ``BadParameter`` for sizes below 1."""
    for name, sizes in (("hidden", options.get("hidden", ())), ("width", (options.get("width", 1),))):
        if any(size < 1 for size in sizes):
            raise BadParameter(expected(name, "at least 1", "+".join(map(str, sizes))))


@hookimpl
def benchsuite_architectures() -> Iterator[Architecture]:
    """``mlp``, ``lenet_sigmoid`` and ``tiny_vgg``, with the recipes of published figures."""
    for name, build, recipes, note in (
        ("mlp", build_mlp, PERCEPTRONS, NOTE_MLP),
        ("lenet_sigmoid", build_lenet, (LENET,), NOTE_LENET),
        ("tiny_vgg", build_vgg, (TINY_VGG,), NOTE_VGG),
    ):
        yield Architecture(
            name, build, PREPROCESS, input=Input(fixed=True), dense=None, recipes=recipes, check=check, note=note
        )
