"""Image classifiers of transformers as architectures: configuration, processor and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from benchsuite import (
    Architecture,
    BadParameter,
    BenchsuiteError,
    Input,
    Preprocess,
    UnknownName,
    Weights,
    expected,
    first_line,
)

RESAMPLING = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}
"""Pillow's numbers of resampling filters, which processors store."""


class Logits(torch.nn.Module):
    """A classifier of transformers that returns its logits only, (n, classes)."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Any) -> Any:
        return self.model(pixel_values=x).logits


@dataclass(frozen=True, slots=True)
class Built:
    """Builds the network of a configuration, untrained."""

    place: str

    def __call__(self, num_classes: int) -> Any:
        from transformers import AutoConfig, AutoModelForImageClassification

        config = AutoConfig.from_pretrained(self.place)
        config.num_labels = num_classes
        return Logits(AutoModelForImageClassification.from_config(config))


def architecture(name: str) -> Architecture:
    """The classifier of ``ORG/NAME`` or of a folder, with its weights and the preprocessing of its processor.

    Raises ``UnknownName`` if it cannot be had, and ``BadParameter`` for what ``Preprocess`` cannot express.
    """
    place = str(Path(name).expanduser()) if name.startswith((".", "/", "~")) else name
    try:
        from transformers import AutoConfig, AutoImageProcessor
    except ImportError as error:
        rule = "installed for hf: (pip install 'benchsuite[transformers]')"
        raise UnknownName(expected("transformers", rule, first_line(error))) from None
    try:
        config = AutoConfig.from_pretrained(place)
        processor = AutoImageProcessor.from_pretrained(place).to_dict()
    except Exception as error:
        got = f"{type(error).__name__}: {first_line(error)}"
        raise UnknownName(expected(f"hf:{name}", "a model with a config and an image processor", got)) from error
    usual = preprocess(processor, f"hf:{name}")
    revision = getattr(config, "_commit_hash", None) or "local files"
    source = f"transformers: {name} ({revision})"
    origin = f"the image processor of {name}"
    weights = Weights("pretrained", partial(state, place, name), usual, int(config.num_labels), source, origin=origin)
    fixed = any("patch_size" in layer for layer in (config.to_dict(),))
    return Architecture(
        f"hf:{name}",
        Built(place),
        usual,
        (weights,),
        Input(int(getattr(config, "num_channels", 3))),
        dense=None if fixed else "auto",
        note=f"{config.model_type} of transformers; preprocessing: its own processor",
    )


def preprocess(processor: Mapping[str, Any], where: str) -> Preprocess:
    """The ``Preprocess`` that equals an image processor. Raises ``BadParameter`` for what it cannot express."""
    if processor.get("do_pad"):
        raise BadParameter(expected(f"the processor of {where}", "one that does not pad", "do_pad"))
    size, crop = _side(processor.get("size"), where), _side(processor.get("crop_size"), where)
    fraction = processor.get("crop_pct")
    if fraction is not None and isinstance(size, int) and size < 384:  # as in ConvNext's processor
        resize: int | tuple[int, int] = int(size / float(fraction))
        side = size
    elif processor.get("do_center_crop"):
        resize, side = size, crop if isinstance(crop, int) else crop[0]
    else:
        resize = (size, size) if isinstance(size, int) else size
        side = resize[0]
    if not processor.get("do_resize", True):
        raise BadParameter(expected(f"the processor of {where}", "one that resizes", "do_resize=False"))
    plain = not processor.get("do_normalize", True)
    mean, std = ((0.0,) * 3, (1.0,) * 3) if plain else (processor["image_mean"], processor["image_std"])
    scale = float(processor.get("rescale_factor", 1 / 255)) if processor.get("do_rescale", True) else 1.0
    if abs(scale * 255 - 1) > 1e-6 and scale != 1.0:
        raise BadParameter(expected(f"rescale_factor of {where}", "1/255", scale))
    filters: Any = RESAMPLING[int(processor.get("resample", 2))]
    return Preprocess(resize, side, filters, tuple(mean), tuple(std), range=255.0 if scale == 1.0 else 1.0)


def _side(size: Any, where: str) -> Any:
    """A size of a processor: an int for the shortest edge, (height, width) for both."""
    if size is None or isinstance(size, int):
        return size
    if size.get("shortest_edge"):
        return int(size["shortest_edge"])
    if size.get("height") and size.get("height") == size.get("width"):
        return int(size["height"]), int(size["width"])
    raise BadParameter(expected(f"the size in the processor of {where}", "a shortest edge or a square", size))


def state(place: str, name: str) -> Mapping[str, Any]:
    """The state dict of the pretrained classifier. Raises ``UnknownName`` if its file cannot be had."""
    from transformers import AutoModelForImageClassification

    try:
        model = AutoModelForImageClassification.from_pretrained(place)
    except BenchsuiteError:
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {first_line(error)}"
        raise UnknownName(expected(f"the weights of hf:{name}", "a file that transformers can load", got)) from error
    found: Mapping[str, Any] = Logits(model).state_dict()
    return found
