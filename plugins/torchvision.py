"""Every image classifier of torchvision as ``torchvision:NAME``, or ``torchvision:NAME.WEIGHTS``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from benchsuite import Architecture, BadParameter, Family, Input, Preprocess, Weights, expected, hookimpl, unknown_name

NOTE = (
    "Every image classifier of torchvision, preprocessed as weights.transforms() says. NAME takes torchvision's "
    "default weights and lists the others; NAME.WEIGHTS takes those, where they need another input size"
)
FIXED = ("vision_transformer", "maxvit")
"""Modules of torchvision whose networks have a fixed input size."""

INCEPTION = ("googlenet", "inception")
"""Modules whose networks can change the normalisation of their input themselves, as torchvision's weights need it.

Files have no such transform unless they are torchvision's: its own training script uses none.
"""


@hookimpl
def benchsuite_architectures() -> tuple[Family]:
    """The family ``torchvision``."""
    return (Family("torchvision", resolve, names, NOTE),)


def names() -> Sequence[str]:
    """The image classifiers that torchvision lists."""
    from torchvision import models

    return tuple(models.list_models(module=models))


def resolve(name: str) -> Architecture:
    """``NAME`` or ``NAME.WEIGHTS`` -> the architecture, with all weights that fit the same network.

    Raises ``UnknownName`` with the nearest name, and ``BadParameter`` for a model that is not an image classifier.
    """
    from torchvision import models

    bare, dot, wanted = name.partition(".")
    if bare not in names():
        if bare in models.list_models():
            raise BadParameter(expected(f"torchvision:{bare}", "an image classifier", "a model for another task"))
        raise unknown_name("model of torchvision", bare, names())
    entries = models.get_model_weights(bare)
    usable = {e.name: e for e in entries if e.meta.get("categories")}
    if dot and wanted not in usable:
        raise unknown_name(f"weights of torchvision:{bare}", wanted, usable)
    first = usable[wanted] if dot else entries.DEFAULT
    module = models.get_model_builder(bare).__module__.rpartition(".")[2]
    fixed, inception = module in FIXED, module in INCEPTION
    fitting = [e for e in usable.values() if e is not first and not (fixed and _size(e) != _size(first))]
    return Architecture(
        f"torchvision:{name}",
        partial(_build_inception, bare) if inception else partial(_build, bare, _size(first)),
        preprocess(first),
        tuple(_weights(bare, e) for e in (first, *fitting)),
        Input(fixed=fixed),
        dense=None if fixed else "auto",
        adapt=_adapt,
        file_options=(("transform_input", False),) if inception else (),
        own_input=_own_input if inception else None,
    )


def preprocess(entry: Any) -> Preprocess:
    """The test preset of torchvision's weights: resize of the shorter side, centre crop, mean and std."""
    preset = entry.transforms()
    (resize,), (crop,) = preset.resize_size, preset.crop_size
    mean, std = tuple(preset.mean), tuple(preset.std)
    return Preprocess(resize, crop, preset.interpolation.value, mean, std, antialias=bool(preset.antialias))


def _size(entry: Any) -> int:
    (crop,) = entry.transforms().crop_size
    return int(crop)


def _weights(name: str, entry: Any) -> Weights:
    from benchsuite.plugins._pretrained import torch_file, torchvision_state

    load = partial(torchvision_state, name, entry.name)
    return Weights(entry.name, load, preprocess(entry), len(entry.meta["categories"]), entry.url, torch_file(entry.url))


def _adapt(tensors: Mapping[str, Any], module: Any) -> Mapping[str, Any]:
    """Torchvision's own changes of older files: without auxiliary heads, and with today's names."""
    from benchsuite.plugins._pretrained import torchvision_names

    return torchvision_names(tensors)


def _build(name: str, size: int, num_classes: int) -> Any:
    from torchvision import models

    builder = models.get_model_builder(name)
    vit = builder.__module__.endswith(".vision_transformer")
    return builder(num_classes=num_classes, **({"image_size": size} if vit else {}))


def _own_input(options: Mapping[str, Any]) -> str:
    """The input transform of GoogLeNet and Inception: their weights came from a code with another normalisation."""
    if not options["transform_input"]:
        return ""
    return "the network changes this to mean 0.5 0.5 0.5, std 0.5 0.5 0.5 itself (transform_input)"


def _build_inception(name: str, num_classes: int, *, transform_input: bool = True) -> Any:
    from torchvision import models

    options = {"init_weights": False, "aux_logits": False, "transform_input": transform_input}
    return models.get_model_builder(name)(num_classes=num_classes, **options)
