"""The names of the layers in He et al.'s Caffe networks, as those of torchvision's modules.

Source: the prototxt files of https://github.com/KaimingHe/deep-residual-networks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from benchsuite import WeightsError, expected

BRANCH = re.compile(r"(res|bn)([2-5])([a-z])(\d*)_branch(1|2[abc])")
OUTERMOST = {"conv1": "conv1", "bn_conv1": "bn1", "pool1": "maxpool", "pool5": "avgpool", "fc1000": "fc"}


def torchvision_name(layer: str) -> str:
    """``res2a_branch1`` -> ``layer1.0.downsample.0``. Raises ``LookupError`` for a layer of another network.

    The blocks of a stage are a, b, c ... or, in the long stages of ResNet-101 and 152, a, b1, b2 ...
    """
    if layer in OUTERMOST:
        return OUTERMOST[layer]
    found = BRANCH.fullmatch(layer)
    if found is None:
        raise LookupError(f"{layer} is no layer of a ResNet of He et al.")
    kind, stage, letter, number, branch = found.groups()
    block = int(number) if number else ord(letter) - ord("a")
    if branch == "1":
        part = f"downsample.{0 if kind == 'res' else 1}"
    else:
        part = f"{'conv' if kind == 'res' else 'bn'}{'abc'.index(branch[1]) + 1}"
    return f"layer{int(stage) - 1}.{block}.{part}"


def from_caffe(tensors: Mapping[str, Any], module: Any) -> Mapping[str, Any]:
    """The tensors of a Caffe file of He et al. by torchvision's names."""
    split = ((name.rpartition("."), tensor) for name, tensor in tensors.items())
    return {f"{torchvision_name(layer)}.{part}": tensor for (layer, _, part), tensor in split}


def refuse_caffe(name: str, tensors: Mapping[str, Any], module: Any) -> Mapping[str, Any]:
    """Raises ``WeightsError`` for a Caffe file of He et al., whose strides and first pooling are those of v1."""
    if any(BRANCH.fullmatch(layer.rpartition(".")[0]) for layer in tensors):
        raise WeightsError(expected("the architecture", f"{name}.v1 for a Caffe file of He et al.", name))
    raise LookupError(f"no other names of {name} are known")
