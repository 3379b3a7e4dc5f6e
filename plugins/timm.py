"""Every model of timm as ``timm:NAME``, the tag optional: ``timm:resnet50.a1_in1k``."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from benchsuite import Architecture, BadParameter, Family, Input, Preprocess, UnknownName, Weights, expected, hookimpl

SOURCE = "https://github.com/huggingface/pytorch-image-models"
NOTE = (
    "every model of timm, with the preprocessing of its own configuration at test size; "
    "without a tag, timm's default weights come first"
)


@hookimpl
def benchsuite_architectures() -> tuple[Family]:
    """The family ``timm``."""
    return (Family("timm", resolve, names, NOTE),)


def names() -> Sequence[str]:
    """The architectures that timm lists, without tags."""
    import timm

    return tuple(timm.list_models())


def resolve(name: str) -> Architecture:
    """``NAME`` or ``NAME.TAG`` -> the architecture with the weights of all tags that the same network fits.

    Raises ``UnknownName`` with the nearest name, and ``BadParameter`` for a model whose images are padded or not square.
    """
    import timm

    bare, _, _ = name.partition(".")
    tags = timm.models.list_models(bare, include_tags=True)
    if not tags or name not in (bare, *tags):
        raise _unknown(name, tags)
    config = timm.get_pretrained_cfg(name)
    own = name if "." in name else next((t for t in tags if _tag(t) == config.tag), name)
    weights = (w for tag in (own, *(t for t in tags if t != own)) if "." not in name or tag == own for w in _weights(tag))
    return Architecture(
        f"timm:{name}",
        partial(_build, name),
        preprocess(name, config),
        tuple(w for w in weights),
        Input(config.input_size[0], config.fixed_input_size),
        None if config.fixed_input_size else "auto",
        note=_note(config, tags),
    )
