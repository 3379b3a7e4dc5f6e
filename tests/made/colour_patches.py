"""A network and images whose predictions depend on the crop: coloured patches, larger than the shift of a crop.

The network's three logits are the mean red, green and blue of its input, times 40. An image is 3 x 4 patches of random
colours. Its class is the most frequent colour, or a random one for every third image.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from toys import PROTOCOL, TRANSFORM, build_toy, split_of

from benchsuite import (
    Architecture,
    Dataset,
    Loader,
    Preprocess,
    Protocol,
    Transform,
    Weights,
    hookimpl,
    load_plugins,
)
from benchsuite.evaluation.question import RunRequest

PREPROCESS = Preprocess(resize=16, crop=14, interpolation="bilinear", mean=(0.0,) * 3, std=(1.0,) * 3)
LARGER = Preprocess(resize=18, crop=14, interpolation="bilinear", mean=(0.0,) * 3, std=(1.0,) * 3)
N = 45


def load(scale: float) -> dict[str, Any]:
    """A diagonal matrix: ``scale`` for red, 40 for green and blue."""
    import torch

    return {"2.weight": torch.diag(torch.tensor([scale, 40.0, 40.0]))}


def images() -> tuple[dict[str, Any], dict[str, int]]:
    """Images of odd sizes by id, and their labels."""
    rng = np.random.default_rng(5)
    pixels, labels = {}, {}
    for i in range(N):
        patches = rng.integers(0, 256, (3, 4, 3), dtype=np.uint8)
        size = int(rng.integers(6, 11))
        pixels[f"p{i:02d}"] = patches.repeat(size, axis=0).repeat(size + i % 2, axis=1)
        labels[f"p{i:02d}"] = int(rng.integers(0, 3)) if i % 3 == 0 else int(patches.mean(axis=(0, 1)).argmax())
    return pixels, labels


def open_patches(path: str | None, split: str) -> Any:
    """The images; with the path ``half`` only every second one."""
    pixels, labels = images()
    chosen = {name: p for i, (name, p) in enumerate(pixels.items()) if path != "half" or i % 2}
    return split_of(chosen, labels, ("red", "green", "blue"))


def backwards(split: Any, samples: Any, then: Any, workers: int) -> Iterator[Any]:
    """A loader that is not exact: every image is upside down."""
    for sample in samples:
        yield then(np.ascontiguousarray(split.read(sample)[::-1]), 0.0)


class PatchesPlugin:
    """A plugin with the network, the images, a loader that is not exact, and the toys' protocol and transform."""

    __name__ = "patches"

    @hookimpl
    def benchsuite_architectures(self) -> tuple[Architecture, ...]:
        weights = (
            Weights("even", lambda: load(40.0), PREPROCESS, 3, "by hand"),
            Weights("reddish", lambda: load(44.0), LARGER, 3, "by hand"),
        )
        return tuple(Architecture(name, build_toy, PREPROCESS, weights) for name in ("patches", "patches2"))

    @hookimpl
    def benchsuite_datasets(self) -> tuple[Dataset, ...]:
        return (Dataset("patches", open_patches, mirror=True, note="Patches.", source="None.", path="optional"),)

    @hookimpl
    def benchsuite_loaders(self) -> tuple[Loader, ...]:
        return (Loader("backwards", backwards, exact=False, note="Upside down."),)

    @hookimpl
    def benchsuite_protocols(self) -> tuple[Protocol, ...]:
        return (PROTOCOL,)

    @hookimpl
    def benchsuite_transforms(self) -> tuple[Transform, ...]:
        return (TRANSFORM,)


CATALOG = load_plugins(entry_points=False, extra=[PatchesPlugin()])


def asked(results: Path, *protocols: str, **fields: Any) -> RunRequest:
    """A request to evaluate the network on the images."""
    defaults = {"data": "patches", "device": "cpu", "batch_size": 64, "workers": 0, "results": results}
    return RunRequest(("patches",), protocols, **{**defaults, **fields})
