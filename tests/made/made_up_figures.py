"""A made-up ledger, a made-up copy of ImageNet and a network of three colours, to be measured in a second.

The pictures are those of ``colour_patches``, as PNG files in the folders of the first three classes.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from colour_patches import PREPROCESS, N, images
from PIL import Image
from toys import build_toy

from benchsuite import Architecture, Weights, hookimpl, load_plugins
from benchsuite.builtin.datasets import _synsets
from benchsuite.explanation import ledger
from benchsuite.explanation.ledger import Published

EMPTY = Published(*[""] * len(dataclasses.fields(Published)))


def figure(name: str, error: str, **fields: str) -> Published:
    """A figure of the network with its declared weights, at top-1 under ``1crop``; ``error`` is as printed."""
    usual = {"model": "Colours", "architecture": "colours", "dataset": "imagenet", "split": "val"}
    usual |= {"metric": "top1_error", "protocol": "1crop", "resize": "16 bilinear", "crop": "14", "weights": "even"}
    usual |= {"run": "The source", "accounting": "exact", "source": "A page, Table 1", "status": "verified"}
    return dataclasses.replace(EMPTY, id=name, value=error, **(usual | fields))


def load_even() -> dict[str, Any]:
    """Red, green and blue for the first three of 1000 classes, so surely that the mean of probabilities is a vote."""
    import torch

    return {"2.weight": 400 * torch.eye(1000, 3)}


class ColoursPlugin:
    """A plugin with the network."""

    __name__ = "colours"

    @hookimpl
    def benchsuite_architectures(self) -> tuple[Architecture, ...]:
        weights = tuple(Weights(name, load_even, PREPROCESS, 1000, "by hand") for name in ("even", "other"))
        return (Architecture("colours", build_toy, PREPROCESS, weights),)


CATALOG = load_plugins(entry_points=False, extra=[ColoursPlugin()])


def imagenet(folder: Path) -> str:
    """Writes the pictures, and returns what a user types for them."""
    wnids, (pixels, labels) = _synsets.wnids(), images()
    for name, picture in pixels.items():
        path = folder / "val" / wnids[labels[name]] / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return f"imagenet:{folder}"


def install(monkeypatch: pytest.MonkeyPatch, *rows: Published, size: int = N) -> None:
    """Makes these figures the ledger, and ``size`` the number of images that they were published on."""
    monkeypatch.setattr(ledger, "load", lambda: rows)
    monkeypatch.setitem(ledger.SIZES, "imagenet", size)
