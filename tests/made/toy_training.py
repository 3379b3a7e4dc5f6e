"""A network, a data set and recipes that train in a second: 64 images of 8 x 8 pixels in three classes."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from benchsuite.protocols.adversarial import projected_gradient
from benchsuite.protocols.frequency import low_pass
from benchsuite.protocols.noise import gaussian

from benchsuite import (
    Architecture,
    Augmentation,
    BadParameter,
    Catalog,
    Dataset,
    Grid,
    Level,
    Mini,
    Optimizer,
    Preprocess,
    Recipe,
    Sample,
    Schedule,
    Split,
    hookimpl,
    load_plugins,
    steps,
)

SIDE, TRAIN, TEST = 8, 64, 21
CLASSES = ("red", "green", "blue")
PREPROCESS = Preprocess(SIDE, SIDE, "bilinear", mean=(0.4, 0.5, 0.6), std=(0.2, 0.25, 0.3))


def open_dots(path: str | None, split: str) -> Split:
    """Noise with a tint in the colour of the class; every third image is hard to tell."""
    count, chance = (TRAIN, 0) if split == "train" else (TEST, 1)
    generator = np.random.default_rng(chance)
    labels = generator.integers(0, 3, count)
    pixels = generator.integers(0, 200, (count, SIDE, SIDE, 3))
    pixels[np.arange(count), :, :, labels] += np.where(np.arange(count) % 3, 55, 10)[:, None, None]
    table = pixels.astype(np.uint8)
    samples = tuple(Sample(f"{split}-{i:03}", int(label), f"row {i}", "1") for i, label in enumerate(labels))
    rows = {sample.id: i for i, sample in enumerate(samples)}
    return Split("dots", samples, CLASSES, mirror=True, read=lambda sample: table[rows[sample.id]].copy())


class Block(torch.nn.Module):
    """A residual block as torchvision's and timm's: ``after`` is applied to the sum."""

    def __init__(self, width: int, after: Any, downsample: Any = None) -> None:
        super().__init__()
        self.conv, self.bn2 = torch.nn.Conv2d(width, width, 3, padding=1, bias=False), torch.nn.BatchNorm2d(width)
        self.downsample, self.after = downsample, after

    def forward(self, x: Any) -> Any:
        return self.after(self.bn2(self.conv(x)) + (x if self.downsample is None else self.downsample(x)))


def build(
    num_classes: int, *, width: int = 4, drop: float = 0.25, norm: bool = True, deaf: bool = False, block: bool = False
) -> Any:
    """Two convolutions, batch normalisation, dropout and a linear layer; ``deaf`` ignores the number of classes.

    With ``block`` there is a residual block before the dropout.
    """
    from torch import nn

    def bn() -> Any:
        return nn.BatchNorm2d(width) if norm else nn.Identity()

    return nn.Sequential(
        *(nn.Conv2d(3, width, 3, padding=1, bias=not norm), bn(), nn.ReLU()),
        *(nn.Conv2d(width, width, 3, padding=1, stride=2, bias=not norm), bn(), nn.ReLU()),
        *([Block(width, nn.ReLU())] if block else []),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(drop), nn.Linear(width, 7 if deaf else num_classes)),
    )


def check(options: Any) -> None:
    """Raises ``BadParameter`` for a width above 100 without batch normalisation."""
    if options["width"] > 100 and not options["norm"]:
        raise BadParameter("Expected norm to be true for a width above 100, got false")


SGD = Optimizer("sgd", 0.05, momentum=0.9, nesterov=True, weight_decay=1e-3)
USUAL = Recipe(
    name="usual",
    architecture="tiny",
    dataset="dots",
    options=(("width", 6),),
    preprocess=PREPROCESS,
    epochs=4,
    batch_size=10,
    optimizer=SGD,
    schedule=steps((2, 3), 0.1),
    augmentation=Augmentation(pad=2, flip=True),
    seed=3,
    accounting="exact-best",
    source="None: a toy.",
    expected="nothing",
    cost="a second",
    mini=Mini(2, batch_size=16, rate=2.0, options=(("width", 2),), images=40),
)
ADAM = dataclasses.replace(
    USUAL, name="adam", optimizer=Optimizer("adam", 0.01), schedule=Schedule("one-cycle"), augmentation=Augmentation()
)
DIVERGING = dataclasses.replace(USUAL, name="diverging", optimizer=Optimizer("sgd", 1e30), schedule=Schedule())
QUIET = dataclasses.replace(USUAL, name="quiet", options=(("drop", 0.0), ("norm", False), ("width", 6)))


EXPERIMENT = dataclasses.replace(
    USUAL,
    name="experiment",
    epochs=2,
    labels="shuffled",
    perturbation=gaussian(std=Fraction(1, 10)),
    mixup=0.7,
    passes=2,
    watched=(low_pass(r=Fraction(2)), gaussian(std=Fraction(1, 5))),
    watched_images=23,
)
QUIET_MIXED = dataclasses.replace(EXPERIMENT, name="quiet-mixed", options=QUIET.options)
RESTING = dataclasses.replace(
    ADAM,
    name="resting",
    options=(("block", True), ("drop", 0.0)),
    epochs=2,
    resting=0.5,
)
ATTACK = projected_gradient(eps=Fraction(1, 10), steps=2, step=Fraction(6, 100), start="random")
ATTACKED = dataclasses.replace(USUAL, name="attacked", epochs=2, perturbation=ATTACK)
GRID = Grid(
    "toy-grid",
    "usual",
    (
        ("optimizer", (Level("sgd", (("optimizer", SGD),)), Level("adam", (("optimizer", Optimizer("adam", 0.01)),)))),
        ("epochs", (Level("2", (("epochs", 2),)), Level("1", (("epochs", 1),)))),
        ("drop", (Level("0.5", (("options.drop", 0.5),)), Level("0.1", (("options.drop", 0.1),)))),
        ("noise", (Level("noise", ()), Level("none", (("options.drop", 0.0),)))),
    ),
    source="None: a toy.",
)

ARCHITECTURE = Architecture(
    "tiny",
    build,
    PREPROCESS,
    recipes=(USUAL, ADAM, DIVERGING, QUIET, EXPERIMENT, QUIET_MIXED, ATTACKED, RESTING),
    grids=(GRID,),
    check=check,
    note="A toy.",
)
OTHER = Architecture("other", build, PREPROCESS, recipes=(dataclasses.replace(USUAL, name="theirs"),))
DATASET = Dataset(
    "dots", open_dots, mirror=True, note="Dots.", source="None: a toy.", path="none", preprocess=PREPROCESS
)


class Trainees:
    """A plugin with the networks and the data set."""

    __name__ = "trainees"

    @hookimpl
    def benchsuite_architectures(self) -> tuple[Architecture, ...]:
        return (ARCHITECTURE, OTHER)

    @hookimpl
    def benchsuite_datasets(self) -> tuple[Dataset, ...]:
        return (DATASET,)


def catalog() -> Catalog:
    """A catalog with the trainees and the built-in plugins."""
    return load_plugins(entry_points=False, extra=[Trainees()])
