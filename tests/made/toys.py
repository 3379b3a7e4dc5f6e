"""A toy of each kind of plugin, small enough that the results can be computed by hand.

The network classifies "red" or "green": its two logits are the mean red and the mean green of a crop, in 0..1. The
images are as high as the short side of its preprocessing, so nothing is resampled:

=====  ===========================================  =====  ==========================================================
image  pixels                                       label  result
=====  ===========================================  =====  ==========================================================
a      5 x 5, all red                               red    logits (1, 0): a hit everywhere
b      5 x 5, all green                             green  logits (0, 1): a hit everywhere
c      5 x 15, thirds: red, green, red              red    the centre crop is all green: a miss; each corner is all red
d      5 x 5, 40 % red with 60 % green              red    logits (0.4, 0.6): a miss everywhere
e      5 x 5, all blue                              red    logits (0, 0): a tie, which the lower class wins: a hit
=====  ===========================================  =====  ==========================================================

``1crop`` therefore errs on c and d. The other protocols err on d alone. Of image c, ``10crop`` has 8 red and 2 green
crops, ``toy`` two red ones, and ``fullconv`` counts 28 of 48 columns as red (24 windows of 4 x 4, which cover the
columns of the thirds 1 + 2 + 3 + 4 + 4, 5 x 4 and 4 + 4 + 3 + 2 + 1 times). With the transform ``redder:by=2``, which
doubles the logit of red, d is a hit too, so ``1crop`` errs on c alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchsuite import (
    Architecture,
    Combine,
    Crop,
    Dataset,
    Loader,
    Preprocess,
    Protocol,
    Reporter,
    Sample,
    Split,
    Transform,
    View,
    Weights,
    hookimpl,
    view,
)

PREPROCESS = Preprocess(resize=5, crop=4, interpolation="bilinear", mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
LABELS = {"a": 0, "b": 1, "c": 0, "d": 0, "e": 0}
CLASSES = ("red", "green")

TOP1_ERRORS = {"1crop": 2, "10crop": 1, "toy": 1, "fullconv": 1}
"""Errors on the 5 images with the weights ``identity``. The top-5 errors are 0, as there are two classes."""

LOGITS_1CROP = {"a": (1.0, 0.0), "b": (0.0, 1.0), "c": (0.0, 1.0), "d": (0.4, 0.6), "e": (0.0, 0.0)}
P = math.e / (math.e + 1)
"""Softmax of the logits (1, 0): the probability of the class that fills a crop."""
SCORES_10CROP = {
    "a": (P, 1 - P),
    "b": (1 - P, P),
    "c": (0.8 * P + 0.2 * (1 - P), 0.8 * (1 - P) + 0.2 * P),
    "d": (1 / (1 + math.exp(0.2)), 1 / (1 + math.exp(-0.2))),
    "e": (0.5, 0.5),
}


def images() -> dict[str, NDArray[np.uint8]]:
    """The five images of the table above, uint8 (5, w, 3) RGB."""

    def plain(*colour: int, width: int = 5) -> NDArray[np.uint8]:
        return np.full((5, width, 3), colour, dtype=np.uint8)

    thirds = np.concatenate([plain(255, 0, 0), plain(0, 255, 0), plain(255, 0, 0)], axis=1)
    return {"a": plain(255, 0, 0), "b": plain(0, 255, 0), "c": thirds, "d": plain(102, 153, 0), "e": plain(0, 0, 255)}


def split_of(
    pixels: Mapping[str, NDArray[np.uint8]], labels: Mapping[str, int], classes: Sequence[str] = CLASSES
) -> Split:
    """A split of arrays in memory; ``pixels`` and ``labels`` are by id."""
    samples = tuple(Sample(name, labels[name], f"memory:{name}", "1") for name in sorted(pixels))
    return Split("toy", samples, tuple(classes), mirror=True, read=lambda sample: pixels[sample.id])


def open_toy(path: str | None, split: str) -> Split:
    """The five images, for any split."""
    return split_of(images(), LABELS)


def build_toy(num_classes: int) -> Any:
    """Global average pooling and a linear layer from 3 colours to the classes, without bias."""
    import torch

    return torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, num_classes, bias=False)
    )


def load_identity() -> dict[str, Any]:
    """Weights for which the first class is red, the second green."""
    import torch

    return {"2.weight": torch.eye(2, 3)}


def redder(module: Any, image: Any, *, by: int = 2) -> None:
    """Multiplies the weights of the first class of the last linear layer."""
    import torch

    [layer for layer in module.modules() if isinstance(layer, torch.nn.Linear)][-1].weight[0] *= by


def two_corners(preprocess: Preprocess, *, resize: int | None = None, flip: bool | None = None) -> tuple[View, ...]:
    """The crops at the top left and the bottom right, mirrored with ``flip``."""
    size = preprocess.resize if resize is None else resize
    places = ("top-left", "bottom-right")
    return tuple(view(preprocess, size, crop=Crop(preprocess.crop, p), flip=bool(flip)) for p in places)


def one_by_one(
    split: Split, samples: Sequence[Sample], then: Callable[[Any, float], Any], workers: int
) -> Iterator[Any]:
    """A plain loop; it reports 0 seconds of decoding."""
    for sample in samples:
        yield then(split.read(sample), 0.0)


def render(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each result: ``toy 1crop 2/5``."""
    return "".join(f"{r['architecture']} {r['protocol']} {r['top1_errors']}/{r['n']}\n" for r in rows)


def fake_predict(pixels: NDArray[np.uint8], flips: NDArray[np.bool_], view: View) -> tuple[NDArray[np.float32], int]:
    """The logits of the toy network with the weights ``identity`` for crops, without torch. Flips change no mean."""
    means = pixels[..., :2].mean(axis=(1, 2), dtype=np.float64) / 255
    return means.astype(np.float32), 1


ARCHITECTURE = Architecture(
    "toy", build_toy, PREPROCESS, weights=(Weights("identity", load_identity, PREPROCESS, 2, "by hand"),)
)
PROTOCOL = Protocol("toy", two_corners, Combine("mean", "prob"), note="Two corners.", source="None: a toy.")
DATASET = Dataset("toy", open_toy, mirror=True, note="Five images.", source="None: a toy.", path="none")
LOADER = Loader("toy", one_by_one, exact=True, note="A plain loop.")
REPORTER = Reporter("toy", render, note="A line for each result.")
TRANSFORM = Transform("redder", redder, note="A larger logit of red.", source="None: a toy.")


class ToyPlugin:
    """All toys as one plugin: ``load_plugins(extra=[ToyPlugin()])``."""

    __name__ = "toys"

    @hookimpl
    def benchsuite_architectures(self) -> tuple[Architecture, ...]:
        return (ARCHITECTURE,)

    @hookimpl
    def benchsuite_protocols(self) -> tuple[Protocol, ...]:
        return (PROTOCOL,)

    @hookimpl
    def benchsuite_datasets(self) -> tuple[Dataset, ...]:
        return (DATASET,)

    @hookimpl
    def benchsuite_loaders(self) -> tuple[Loader, ...]:
        return (LOADER,)

    @hookimpl
    def benchsuite_reporters(self) -> tuple[Reporter, ...]:
        return (REPORTER,)

    @hookimpl
    def benchsuite_transforms(self) -> tuple[Transform, ...]:
        return (TRANSFORM,)
