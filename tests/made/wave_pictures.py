"""Small networks with a gradient and small images whose class is in their waves, for analyses of frequencies.

An image is 12 x 12 pixels: a slow wave along the rows or the columns, a fast one along the rows (class 0) or the
columns (class 1), each of any size, and noise. ``waves`` is a convolution that is not the module's first attribute, a
ReLU, the mean square over the places and a linear layer: it sees both waves. ``plain`` answers with a constant,
``blocked`` has no gradient.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from toys import split_of

from benchsuite import Architecture, Dataset, Preprocess, Weights, hookimpl, load_plugins
from benchsuite.evaluation.question import RunRequest

PREPROCESS = Preprocess(resize=12, crop=12, interpolation="bilinear", mean=(0.4,) * 3, std=(0.25,) * 3)
BGR = Preprocess(12, 12, "bilinear", (0.4,) * 3, (0.25,) * 3, channel_order="BGR")
N = 20


def images() -> tuple[dict[str, Any], dict[str, int]]:
    """Images by id, and their labels; every fifth label is wrong."""
    rng, at = np.random.default_rng(3), np.arange(12)
    pixels, labels = {}, {}
    for i in range(N):
        slow, fast = (np.cos(2 * np.pi * k * at / 12 + rng.uniform(0, 6)) for k in (1 + i % 2, 4 + i % 2))
        label = int(rng.integers(0, 2))
        slow, fast = slow * rng.uniform(0.05, 0.25), fast * rng.uniform(0.05, 0.25)
        picture = (slow[None, :] if i % 3 else slow[:, None]) + (fast[:, None] if label else fast[None, :])
        whole = 0.5 + picture[:, :, None] * rng.uniform(0.5, 1, 3) + rng.normal(0, 0.02, (12, 12, 3))
        pixels[f"w{i:02d}"] = np.rint(255 * np.clip(whole, 0, 1)).astype(np.uint8)
        labels[f"w{i:02d}"] = label if i % 5 else 1 - label
    return pixels, labels


def open_waves(path: str | None, split: str) -> Any:
    """The images; with the path ``gone`` there are none."""
    if path == "gone":
        from benchsuite import DataError

        raise DataError("Expected waves:PATH to be a folder, got nothing (gone)")
    pixels, labels = images()
    return split_of(pixels, labels, ("rows", "columns"))


def build(classes: int, *, kind: str = "waves") -> Any:
    """A network of the given kind."""
    import torch

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.unused = torch.nn.Conv2d(8, 4, 1)
            self.head = torch.nn.Linear(8, classes)
            self.stem = torch.nn.Conv2d(3, 8, 3)

        def forward(self, x: Any) -> Any:
            if kind == "plain":
                return self.head.bias.expand(len(x), -1) + 0 * x.sum((1, 2, 3))[:, None]
            if kind == "blocked":
                with torch.no_grad():
                    return self.head(torch.relu(self.stem(x)).mean((2, 3)))
            return self.head(torch.relu(self.stem(x)).square().mean((2, 3)))

    return Net()


def state() -> dict[str, Any]:
    """Weights of which the first kernels see rows and columns, and the others are random."""
    import torch

    generator = torch.Generator().manual_seed(1)
    shapes = {"unused.weight": (4, 8, 1, 1), "unused.bias": (4,), "head.bias": (2,), "stem.bias": (8,)}
    made = {name: 0.02 * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    stem = 0.02 * torch.randn((8, 3, 3, 3), generator=generator)
    stem[:4] += torch.tensor([-0.3, 0.0, 0.3])[None, None, None, :]
    stem[4:] += torch.tensor([-0.3, 0.0, 0.3])[None, None, :, None]
    head = torch.tensor([[1.0] * 4 + [-1.0] * 4, [-1.0] * 4 + [1.0] * 4])
    return made | {"stem.weight": stem, "head.weight": head}


def _waves(classes: int) -> Any:
    return build(classes)


def _plain(classes: int) -> Any:
    return build(classes, kind="plain")


def _blocked(classes: int) -> Any:
    return build(classes, kind="blocked")


class WavesPlugin:
    """A plugin with the networks and the images."""

    __name__ = "waves"

    @hookimpl
    def benchsuite_architectures(self) -> tuple[Architecture, ...]:
        own = (Weights("own", state, PREPROCESS, 2, "by hand"), Weights("bgr", state, BGR, 2, "by hand"))
        named = (("waves", _waves), ("plain", _plain), ("blocked", _blocked))
        return tuple(Architecture(name, built, PREPROCESS, own) for name, built in named)

    @hookimpl
    def benchsuite_datasets(self) -> tuple[Dataset, ...]:
        return (Dataset("waves", open_waves, mirror=True, note="Waves.", source="None.", path="optional"),)


CATALOG = load_plugins(entry_points=False, extra=[WavesPlugin()])


def asked(results: Path, *protocols: str, architecture: str = "waves", **fields: Any) -> RunRequest:
    """A request to evaluate a network on the images."""
    defaults = {"data": "waves", "device": "cpu", "batch_size": 16, "workers": 0, "results": results}
    return RunRequest((architecture,), protocols, **{**defaults, **fields})
