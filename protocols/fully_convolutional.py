"""``fullconv``: the network is applied as a sliding window to the whole image at one scale."""

from __future__ import annotations

from benchsuite import Combine, Preprocess, Protocol, View, flips, hookimpl, view

from ._sizes import Spatial, short_side, sized


def whole_image(
    preprocess: Preprocess, *, resize: int | None = None, flip: bool | None = None, spatial: Spatial = "mean"
) -> tuple[View, ...]:
    """The whole image at a short side of ``resize`` pixels, by default that of the weights; with ``flip`` mirrored too.

    The window is as large as the feature map at the nominal crop (7x7 at 224 for a ResNet), moved at stride 1.
    Raises ``BadParameter`` for a short side below the nominal crop.
    """
    size = sized(preprocess, short_side(preprocess) if resize is None else resize)
    return tuple(
        view(preprocess, size, flip=mirrored, dense=True, nominal=preprocess.crop, spatial=spatial)
        for mirrored in flips(bool(flip))
    )


FULLY_CONVOLUTIONAL = Protocol(
    "fullconv",
    views=whole_image,
    combine=Combine("mean", "prob"),
    note=(
        "VGG's dense evaluation: the class score map is averaged over places as logits (spatial=mean), then the "
        "softmax of image and mirror image is averaged (merge=prob). spatial=gap is one global average pooling without "
        "a window, spatial=prob averages the softmax of each place, spatial=avgmax is timm's TestTimePoolHead. Mirror "
        "images where the dataset says that they keep their class; He et al. do not state whether they mirror "
        "(flip=true or false), nor whether scores are logits (merge=logit)."
    ),
    source=(
        "Simonyan and Zisserman, VGG (arXiv:1409.1556), sec. 3.2; He et al. 2015 (arXiv:1512.03385), sec. 3.4; timm, "
        "layers/test_time_pool.py"
    ),
)


@hookimpl
def benchsuite_protocols() -> tuple[Protocol, ...]:
    """``fullconv``."""
    return (FULLY_CONVOLUTIONAL,)
