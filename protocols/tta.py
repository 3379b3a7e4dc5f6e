"""``tta``: test-time augmentation as commonly used: a few shifts around the centre, mirror images and scales."""

from __future__ import annotations

from benchsuite import BadParameter, Combine, Crop, Preprocess, Protocol, View, expected, flips, hookimpl

from ._sizes import Border, Rounding, checked, framed, roomy_side, short_side, usual_pad


def shifted_crops(
    preprocess: Preprocess,
    *,
    shifts: tuple[int, ...] | None = None,
    scales: tuple[int, ...] | None = None,
    flip: bool | None = None,
    pad: int | None = None,
    border: Border = "reflect",
    rounding: Rounding = "round",
) -> tuple[View, ...]:
    """The centre crop moved down and right by each pair of ``shifts`` in pixels, at each scale; ``flip``: mirrored too.

    The default shifts are -q, 0 and +q, where q is a quarter of the scale's margin: 3x3 crops (q is 8 pixels for 256
    and 224). ``scales`` are short sides, by default that of the weights. ``pad`` pixels of ``border`` are added around
    the image at every scale; they are part of the margin. Without a margin, images of at most 96 pixels get a border of
    an eighth of the crop (4 of 32), larger ones a short side of ``round(crop * 256 / 224)``, if crops are moved at all.

    Raises ``BadParameter`` for a shift beyond half the margin, no shift, no scale, a shift or scale given twice, a
    scale below the crop, or a border of the image's size.
    """
    views: list[View] = []
    own = short_side(preprocess)
    pad = usual_pad(preprocess, own if scales is None else min(checked(scales))) if pad is None else pad
    still = shifts is not None and not any(shifts)
    for short in (own if pad or still else roomy_side(preprocess),) if scales is None else scales:
        steps = _steps(short + 2 * pad - preprocess.crop, shifts)
        views += [
            framed(preprocess, short, crop, mirrored, pad, border)
            for mirrored in flips(bool(flip))
            for crop in (Crop(preprocess.crop, shift=(d, r), rounding=rounding) for d in steps for r in steps)
        ]
    return tuple(views)


def _steps(margin: int, shifts: tuple[int, ...] | None) -> tuple[int, ...]:
    if shifts is None:
        quarter = margin // 4 or margin // 2
        return (-quarter, 0, quarter) if quarter > 0 else (0,)
    if len(set(shifts)) != len(shifts) or not shifts:
        raise BadParameter(
            expected("shifts", "one number of pixels or more, each once", "+".join(map(str, shifts)) or "none")
        )
    for shift in shifts:
        if abs(shift) > margin // 2 >= 0:
            raise BadParameter(expected("shifts", f"at most half the margin of {margin} pixels", shift))
    return shifts


TTA = Protocol(
    "tta",
    views=shifted_crops,
    combine=Combine("mean", "prob"),
    note=(
        "A convention, no published test: 3x3 shifts of a quarter of the margin around the centre, and mirror images "
        "where the dataset says that they keep their class (flip=true or false decides). shifts=-8+0+8 and "
        "scales=256+288 give others. rule=mean, geometric or max works on probabilities; merge=logit makes mean and "
        "max work on logits. Small images without a margin (32 of 32) are not enlarged: crops move inside a reflected "
        "border of an eighth of the crop, 4 pixels (pad=2 and border=zero give others). Larger ones get a short side "
        "of round(crop * 256 / 224), unless shifts=0."
    ),
    source=(
        "No single paper; averaging the softmax of an image and its mirror image is VGG's (arXiv:1409.1556, sec. 3.2) "
        "and AlexNet's practice (unverified)"
    ),
)


@hookimpl
def benchsuite_protocols() -> tuple[Protocol, ...]:
    """``tta``."""
    return (TTA,)
