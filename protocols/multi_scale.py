"""``multiscale``: the fully convolutional test at several scales, averaged."""

from __future__ import annotations

from benchsuite import Combine, Preprocess, Protocol, View, flips, hookimpl, view

from ._sizes import Spatial, checked, sized

SHORT_SIDES = (224, 256, 384, 480, 640)
"""He et al. 2015, sec. 3.4, for networks whose nominal crop is 224."""


def whole_images(
    preprocess: Preprocess,
    *,
    scales: tuple[int, ...] | None = None,
    flip: bool | None = None,
    spatial: Spatial = "mean",
) -> tuple[View, ...]:
    """The whole image at each short side of ``scales``; with ``flip`` each also mirrored.

    The default is the five ``SHORT_SIDES`` in proportion to the nominal crop: 32/37/55/69/91 for a crop of 32. Raises
    ``BadParameter`` for no scale, a scale given twice, or one below the nominal crop.
    """
    crop = preprocess.crop
    shorts = tuple(round(s * crop / 224) for s in SHORT_SIDES) if scales is None else checked(scales)
    return tuple(
        view(preprocess, sized(preprocess, short), flip=mirrored, dense=True, nominal=crop, spatial=spatial)
        for short in shorts
        for mirrored in flips(bool(flip))
    )


MULTI_SCALE = Protocol(
    "multiscale",
    views=whole_images,
    combine=Combine("mean", "prob"),
    note=(
        "He et al. average scores over short sides 224, 256, 384, 480 and 640. They state neither whether scores are "
        "logits (merge=logit; here softmax, as VGG), nor whether mirror images are used (flip=true or false; here "
        "where the dataset says that they keep their class), nor whether every scale or every place weighs the same "
        "(average=locations; here every scale), nor the interpolation. spatial=gap, prob or avgmax changes how a score "
        "map becomes one score, as in fullconv. Other nominal crops use scales in proportion: 32 to 91 pixels for a "
        "crop of 32, which enlarges small images."
    ),
    source=(
        "He et al. 2015 (arXiv:1512.03385), sec. 3.4 and Table 4, citing Simonyan and Zisserman, VGG "
        "(arXiv:1409.1556), sec. 3.2"
    ),
)


@hookimpl
def benchsuite_protocols() -> tuple[Protocol, ...]:
    """``multiscale``."""
    return (MULTI_SCALE,)
