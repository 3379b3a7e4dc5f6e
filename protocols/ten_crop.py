"""``10crop``: crops at the four corners and the centre of the image and of its mirror image."""

from __future__ import annotations

from benchsuite import Combine, Preprocess, Protocol, View, five, flips, hookimpl

from ._sizes import Border, Rounding, framed, roomy_side, short_side, usual_pad


def ten_crops(
    preprocess: Preprocess,
    *,
    resize: int | None = None,
    flip: bool = True,
    pad: int | None = None,
    border: Border = "reflect",
    rounding: Rounding = "round",
) -> tuple[View, ...]:
    """Five crops of the full resized rectangle, then five of its mirror image, in the order of torchvision's TenCrop.

    With ``flip=False`` only the first five. Corners are those of the image with its border of ``pad`` pixels. If the
    short side equals the crop, images of at most 96 pixels get a border of an eighth of the crop (4 of 32), larger ones
    a short side of ``round(crop * 256 / 224)``.
    """
    own = short_side(preprocess) if resize is None else resize
    pad = usual_pad(preprocess, own) if pad is None else pad
    short = roomy_side(preprocess) if resize is None and not pad else own
    return tuple(
        framed(preprocess, short, crop, mirrored, pad, border)
        for mirrored in flips(flip)
        for crop in five(preprocess.crop, rounding)
    )


TEN_CROP = Protocol(
    "10crop",
    views=ten_crops,
    combine=Combine("mean", "prob"),
    note=(
        "The mean of the softmax of the crops, as He et al. state in their README. fb.resnet.torch sums raw logits: "
        "merge=logit (a mean ranks as a sum does), rounding=ceil, interpolation=bicubic. Corners are those of the full "
        "resized rectangle, as in fb.resnet.torch; AlexNet's came from a 256x256 square (unverified). Small images "
        "without a margin (32 of 32) get a reflected border of an eighth of the crop, 4 pixels, and corners are its "
        "corners (pad=2 and border=zero give others); larger ones get a short side of round(crop * 256 / 224). "
        "flip=true is part of the name, whatever the dataset says of mirror images; flip=false leaves five crops."
    ),
    source=(
        "He et al. 2015 (arXiv:1512.03385), sec. 3.4 and Table 3, and README of KaimingHe/deep-residual-networks; "
        "facebook/fb.resnet.torch, TenCrop; AlexNet's ten crops (unverified)"
    ),
)


@hookimpl
def benchsuite_protocols() -> tuple[Protocol, ...]:
    """``10crop``."""
    return (TEN_CROP,)
