"""ResNet for CIFAR-10: 6n + 2 layers for 32 x 32 pixels. He et al. 2015, sec. 4.2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from benchsuite import Architecture, Preprocess, Weights, hookimpl

FILES = {20: "12fca82f", 32: "d509ac18", 44: "014dd654", 56: "4bfd9763", 110: "1d1ed7c2", 1202: "f3b1deed"}
"""The first digits of the SHA-256 of akamaster's checkpoint, by the number of layers."""

URL = "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models"
PREPROCESS = Preprocess(32, 32, "bilinear", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
NOTE = (
    "{layers} layers for 32 x 32 pixels, parameter-free shortcuts (option A: every second pixel, zeros for the new "
    "channels). Pixels are normalised with ImageNet's mean and std, as those akamaster's weights were trained with; He "
    "et al. subtract a per-pixel mean instead: pixel_mean=true has a place for it, which training fills. akamaster "
    "keeps the best epoch on the test images"
)


@hookimpl
def benchsuite_architectures() -> Iterator[Architecture]:
    """ResNet-20, 32, 44, 56, 110 and 1202, with the weights of akamaster/pytorch_resnet_cifar10."""
    from benchsuite.plugins._cifar_recipes import recipes
    from benchsuite.plugins._pretrained import torch_file, trained_state

    for layers, digits in FILES.items():
        name = f"resnet{layers}"
        url = f"{URL}/{name}-{digits}.th"
        weights = Weights("akamaster", partial(trained_state, url), PREPROCESS, 10, url, torch_file(url))
        build = partial(_build, (layers - 2) // 6)
        note = NOTE.format(layers=layers)
        yield Architecture(
            name, build, PREPROCESS, (weights,), recipes=recipes(layers, PREPROCESS), note=note, own_input=_own_input
        )


def _own_input(options: Mapping[str, Any]) -> str:
    return "the network subtracts a mean for each pixel itself (pixel_mean)" if options["pixel_mean"] else ""


def _build(blocks: int, num_classes: int, *, pixel_mean: bool = False) -> Any:
    from benchsuite.plugins._cifar_resnet_model import CifarResNet

    return CifarResNet(blocks, num_classes, pixel_mean=pixel_mean)
