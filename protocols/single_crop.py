"""``1crop``: the centre crop of the resized image; nearly all error rates since 2016 were measured with it."""

from __future__ import annotations

from benchsuite import Combine, Crop, Preprocess, Protocol, View, hookimpl, view

from ._sizes import Rounding, short_side, sized


def center_crop(preprocess: Preprocess, *, resize: int | None = None, rounding: Rounding = "round") -> tuple[View, ...]:
    """One centre crop of an image whose shorter side is ``resize`` pixels, by default that of the weights."""
    short = short_side(preprocess) if resize is None else resize
    return (view(preprocess, sized(preprocess, short), crop=Crop(preprocess.crop, rounding=rounding)),)


SINGLE_CROP = Protocol(
    "1crop",
    views=center_crop,
    combine=Combine("mean", "prob"),
    note=(
        "Short side and crop are those of the weights (He et al. and torchvision V1: 256 and 224). An odd margin is "
        "halved as torchvision does; fb.resnet.torch rounds up: rounding=ceil, interpolation=bicubic. He et al. do not "
        "state their interpolation. With one view every merge gives the same ranking."
    ),
    source=(
        "He et al., README of KaimingHe/deep-residual-networks (1-crop); facebook/fb.resnet.torch; torchvision's "
        "Resize and CenterCrop"
    ),
)


@hookimpl
def benchsuite_protocols() -> tuple[Protocol, ...]:
    """``1crop``."""
    return (SINGLE_CROP,)
