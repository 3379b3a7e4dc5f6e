"""``multicrop``: a regular grid of crops at one or more scales, with mirror images."""

from __future__ import annotations

from benchsuite import Combine, Preprocess, Protocol, View, flips, hookimpl
from benchsuite import grid as spread_crops

from ._sizes import Border, Rounding, checked, framed, roomy_side, short_side, usual_pad


def grid_crops(
    preprocess: Preprocess,
    *,
    grid: int = 5,
    scales: tuple[int, ...] | None = None,
    flip: bool | None = None,
    pad: int | None = None,
    border: Border = "reflect",
    rounding: Rounding = "round",
) -> tuple[View, ...]:
    """``grid`` x ``grid`` crops, from border to border, at each scale; with ``flip`` then those of the mirror image.

    ``scales`` are short sides in pixels, by default that of the weights. The grid reaches into the border of ``pad``
    pixels. Without a margin, images of at most 96 pixels get a border of an eighth of the crop (4 of 32), larger ones a
    short side of ``round(crop * 256 / 224)``. Raises ``BadParameter`` for a grid below 1, no scale, a scale given
    twice, one smaller than the crop, or a border of the image's size.
    """
    own = short_side(preprocess)
    pad = usual_pad(preprocess, own if scales is None else min(checked(scales))) if pad is None else pad
    return tuple(
        framed(preprocess, short, crop, mirrored, pad, border)
        for short in ((own if pad else roomy_side(preprocess),) if scales is None else scales)
        for mirrored in flips(bool(flip))
        for crop in spread_crops(preprocess.crop, grid, rounding)
    )


MULTI_CROP = Protocol(
    "multicrop",
    views=grid_crops,
    combine=Combine("mean", "prob"),
    note=(
        "VGG's 50 crops per scale: a 5x5 grid and mirror images, softmax averaged; its 150 crops are three scales "
        "(scales=a+b+c). By default one scale, that of the weights, and mirror images where the dataset says that they "
        "keep their class (flip=true or false decides). merge=logit averages logits. Small images without a margin (32 "
        "of 32) get a reflected border of an eighth of the crop, 4 pixels (pad=2 and border=zero give others); larger "
        "ones a short side of round(crop * 256 / 224)."
    ),
    source="Simonyan and Zisserman, VGG (arXiv:1409.1556), sec. 3.2",
)


@hookimpl
def benchsuite_protocols() -> tuple[Protocol, ...]:
    """``multicrop``."""
    return (MULTI_CROP,)
