"""Recipes of HFC (Wang et al. 2020, arXiv:1905.13545): the paper's setting, its code's, and Fashion-MNIST.

The paper and its code differ in the network, in the edge of the filters, in the range of the pixels and in mixup.
Each recipe has a mini size for two CPU cores.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from benchsuite import Augmentation, Grid, Level, Mini, Optimizer, Perturbation, Preprocess, Recipe, Schedule

ADAM = Optimizer("adam", 1e-4)
RADII = (4, 8, 12, 16)
BATCHES = (25, 50, 200, 400)
"""Batch sizes other than 100, by choice: those of the source are not verified."""

SOURCE = "Wang et al. 2020 (arXiv:1905.13545)"
SOURCE_CODE = "HaohanWang/HFC, code for arXiv:1905.13545"
UNVERIFIED = "not verified: the numbers are in figures and tables that were not read"
BEYOND = 1000
"""A radius that keeps all frequencies."""

SEEN = 2_000
"""On so many training images the accuracy by radius is measured."""

MOVED = Augmentation(pad=2, flip=True)
"""Padded to 36 pixels, cropped to 32, mirrored."""

ATTACKED = (
    "Trained on attacked images only: eps 0.03 (also given as 8/255), 10 steps of 0.003, from the image itself, "
    "by the network in training mode"
)

Changes = tuple[tuple[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how the experiments are done. ``prefix`` begins the names; ``alpha`` is that of mixup.

    ``rule`` and ``range`` are those of the filters. With ``range="max"`` all training images are divided by their
    largest value, also unfiltered ones. ``moved`` is the augmentation of the adversarial training, and ``attacked`` its
    note. ``small`` is the mini size, ``few`` that for comparing natural and shuffled labels.
    """

    prefix: str
    architecture: str
    dataset: str
    preprocess: Preprocess
    source: str
    note: str
    rule: str
    range: str
    alpha: float
    moved: Augmentation
    attacked: str
    partial: bool
    accounting: str
    small: Mini
    few: Mini
    images: int = 50_000


def unit_pixels(size: int) -> Preprocess:
    """Pixels in [0, 1], without mean and std."""
    return Preprocess(size, size, "bilinear", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))


PAPER = Setting(
    prefix="hfc",
    architecture="hfc_resnet18",
    dataset="cifar10",
    preprocess=unit_pixels(32),
    source=SOURCE,
    note="The paper's setting. Augmentation and weight decay are not stated: none",
    rule="le",
    range="none",
    alpha=0.5,
    moved=Augmentation(),
    attacked=ATTACKED,
    partial=True,
    accounting="exact",
    small=Mini(100 / 6, 50, 30, (("width", 8),), 10_000),
    few=Mini(12.5, 50, 20, (("width", 8),), 1_000, passes=6),
)
CODE = Setting(
    prefix="hfc-code",
    architecture="hfc_resnet32",
    dataset="cifar10",
    preprocess=unit_pixels(32),
    source=SOURCE_CODE,
    note=(
        "The code's setting. All training images are divided by their largest value and test images are not. The code "
        "then rounds training images down to levels of 255, which is not done here. The batch that is not full is "
        "dropped; no weight decay"
    ),
    rule="lt",
    range="max",
    alpha=1.0,
    moved=MOVED,
    attacked=f"{ATTACKED}. Whether the code divides these images by their largest value is not stated: not divided",
    partial=False,
    accounting="batch-mean",
    small=Mini(100 / 6, 50, 30, (("n", 1),), 10_000),
    few=Mini(12.5, 50, 20, (("n", 1),), 1_000, passes=6),
)
FASHION = Setting(
    prefix="hfc-fashion",
    architecture="hfc_resnet32",
    dataset="fashion-mnist",
    preprocess=unit_pixels(28),
    source=SOURCE,
    note=(
        "The paper repeats its experiments on Fashion-MNIST; its settings there are not stated: those of CIFAR-10, at "
        "28 x 28 pixels, with the network of the code"
    ),
    rule="le",
    range="none",
    alpha=0.5,
    moved=MOVED,
    attacked=ATTACKED,
    partial=True,
    accounting="exact",
    small=Mini(100 / 6, 50, 30, (("n", 1),), 10_000),
    few=Mini(12.5, 50, 20, (("n", 1),), 1_000, passes=6),
    images=60_000,
)


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment: its changes to the recipe with natural labels, as those of a ``Level``, and a note."""

    name: str
    changes: Changes
    note: str


def filtered(name: str, radius: int, setting: Setting) -> Perturbation:
    """``lowpass`` or ``highpass`` with the setting's rule and range."""
    place = f"benchsuite.protocols._frequency_filter:{name}"
    numbers = (("r", Fraction(radius)), ("unit", "pixels"), ("rule", setting.rule), ("range", setting.range))
    return Perturbation(name, place, numbers, reference=f"{place}_reference")


PGD = Perturbation(
    "pgd",
    "benchsuite.protocols._attacks:pgd",
    (("eps", Fraction(3, 100)), ("steps", 10), ("step", Fraction(3, 1000)), ("start", "zero"), ("seed", 0)),
    "gradient",
    reference="benchsuite.protocols._attacks:pgd_reference",
)
BN = (("bn", True),)
UNWATCHED: Changes = (("watched", ()), ("watched_images", None))

WATCHED = "After each epoch: the training error on low-pass images, 2,000 for each radius (the source: not stated)"
SHUFFLED = (
    f"The labels of the training images are permuted, always in the same way: the source has a fixed file. {WATCHED}"
)
BATCHNORM = "Batch normalisation, gamma 1 and beta 0 at the start"
SIZES = "The batch sizes of the source are not verified: those other than 100 are a choice"
RATES = "The learning rate is that of Adam for every optimizer; momentum is not stated: none"

OPTIMIZERS = {
    Optimizer("sgd", 1e-4): 1000.0,
    Optimizer("adagrad", 1e-4): 100.0,
    Optimizer("adadelta", 1e-4): 10_000.0,
    Optimizer("rmsprop", 1e-4): 10.0,
}
"""The other optimizers of the sweep, with the factor on the learning rate at the mini size."""


def experiments(setting: Setting) -> Iterator[Experiment]:
    """The experiments apart from natural labels."""

    def one(name: str, note: str, mini: Mini = setting.small, **fields: Any) -> Experiment:
        return Experiment(name, (*UNWATCHED, *fields.items(), ("mini", mini)), note)

    low = {r: filtered("lowpass", r, setting) for r in RADII}
    high = {r: filtered("highpass", r, setting) for r in RADII}
    few = replace(setting.few, shorter=3 * setting.few.shorter)
    watching = {"watched": tuple(low.values()), "watched_images": SEEN}
    yield one("shuffled", SHUFFLED, few, labels="shuffled", epochs=300, **watching)
    for r in RADII:
        yield one(f"train-low-r{r}", "Trained on low-pass images, tested on originals", perturbation=low[r])
    for r in RADII:
        yield one(f"train-high-r{r}", "Trained on high-pass images, tested on originals", perturbation=high[r])
    yield one("dropout", "Dropout of 0.5 before the last layer", options=(("dropout", 0.5),))
    for alpha in (setting.alpha, 1.5 - setting.alpha):
        named = "mixup" if alpha == setting.alpha else f"mixup-{alpha:g}"
        yield one(named, f"Mixup with alpha {alpha:g}", mixup=alpha)
    yield one("batchnorm", BATCHNORM, options=BN)
    for r in RADII:
        note = f"{BATCHNORM}; trained on low-pass images only: the source's radius is not stated"
        yield one(f"batchnorm-low-r{r}", note, perturbation=low[r], options=BN)
    for size in BATCHES:
        yield one(f"batch-{size}", SIZES, replace(setting.small, batch_size=size), batch_size=size)
    for optimizer, rate in OPTIMIZERS.items():
        yield one(f"optimizer-{optimizer.name}", RATES, replace(setting.small, rate=rate), optimizer=optimizer)
    yield one("adv-pgd", setting.attacked, fewer(setting), perturbation=PGD, augmentation=setting.moved)


def fewer(setting: Setting) -> Mini:
    """The mini size of adversarial training, which takes eleven times as long for each image."""
    return replace(setting.small, images=3_000)


def recipes(setting: Setting) -> tuple[Recipe, ...]:
    """All recipes of a setting, that with natural labels first."""
    first = natural(setting)
    others = (
        (replace(first, name=f"{setting.prefix}-{e.name}", **dict(e.changes)), e.note) for e in experiments(setting)
    )
    note = f"Natural labels. {WATCHED}"
    return tuple(_told(recipe, setting, note) for recipe, note in ((first, note), *others))


def natural(setting: Setting) -> Recipe:
    """The recipe with natural labels, from which all others begin."""
    return Recipe(
        name=f"{setting.prefix}-natural",
        architecture=setting.architecture,
        dataset=setting.dataset,
        preprocess=setting.preprocess,
        epochs=100,
        batch_size=100,
        optimizer=ADAM,
        schedule=Schedule(),
        partial=setting.partial,
        perturbation=filtered("lowpass", BEYOND, setting) if setting.range == "max" else None,
        watched=tuple(filtered("lowpass", r, setting) for r in RADII),
        watched_images=SEEN,
        accounting=setting.accounting,
        source=setting.source,
        expected=UNVERIFIED,
        cost="",
        mini=setting.small,
    )


def _told(recipe: Recipe, setting: Setting, note: str) -> Recipe:
    """The recipe with its cost and note in words."""
    mini = recipe.mini
    assert mini is not None
    epochs = max(1, round(recipe.epochs / mini.shorter))
    options = "".join(f"{key}={value}, " for key, value in mini.options)
    passes = f" ({mini.passes} passes in each)" if mini.passes > 1 else ""
    small = f"mini: {options}{epochs} epochs{passes} of {mini.images:,} images in batches of {mini.batch_size}"
    cost = f"{recipe.epochs} epochs of {setting.images:,} images in batches of {recipe.batch_size}, not run"
    return replace(recipe, cost=cost, note=f"{note}. {setting.note}. {small}, learning rate times {mini.rate:g}")


def grids(setting: Setting) -> tuple[Grid, ...]:
    """The grids of a setting. Each begins from the recipe with natural labels."""
    prefix, few = setting.prefix, {"labels": setting.few}
    return tuple(
        Grid(f"{prefix}-{name}", f"{prefix}-natural", factors, setting.source, f"{note}. {setting.note}", few.get(name))
        for name, factors, note in _designs(setting)
    )


Factors = tuple[tuple[str, tuple[Level, ...]], ...]


def _designs(setting: Setting) -> Iterator[tuple[str, Factors, str]]:
    """The name of each grid, its factors, and a note."""
    made = {e.name: e.changes for e in experiments(setting)}
    plain = (*UNWATCHED, ("mini", setting.small))

    def levels(first: str, others: Mapping[str, str]) -> tuple[Level, ...]:
        """``first`` is natural labels with nothing watched; the others are experiments by the names of their levels."""
        return (Level(first, plain), *(Level(level, made[name]) for level, name in others.items()))

    low = levels("originals", {f"low r={r}": f"train-low-r{r}" for r in RADII})
    high = levels("originals", {f"high r={r}": f"train-high-r{r}" for r in RADII})
    mixes = {f"mixup {dict(c)['mixup']:g}": name for name, c in made.items() if name.startswith("mixup")}
    heuristics = levels("none", {"dropout": "dropout", "batchnorm": "batchnorm"} | mixes)
    usual = Level("100", (*UNWATCHED, ("mini", replace(setting.small, batch_size=100))))
    batches = (*(Level(str(size), made[f"batch-{size}"]) for size in BATCHES), usual)
    batches = tuple(sorted(batches, key=lambda level: int(level.name)))
    names = {optimizer.name: f"optimizer-{optimizer.name}" for optimizer in OPTIMIZERS}
    bn = (Level("none", ()), Level("bn", (("options", BN),)))
    moved = (Level("none", (("augmentation", Augmentation()),)), Level("pad 2, flip", (("augmentation", MOVED),)))
    few = f"Fewer images at the mini size, so that shuffled labels are learned. {WATCHED}"
    yield "labels", (("labels", (Level("natural", ()), Level("shuffled", made["shuffled"]))),), few
    yield "low-high", (("images", (*low, *high[1:])),), "Tested on originals"
    yield "heuristics", (("heuristic", heuristics),), "Dropout of 0.5 before the last layer; mixup with both alphas"
    yield "batchnorm", (("images", low), ("norm", bn)), "Tested on originals"
    yield "batchsize", (("batch", batches),), SIZES
    yield "optimizers", (("optimizer", levels("adam", names)),), RATES
    standard = Level("natural", (*UNWATCHED, ("mini", fewer(setting))))
    attacked = (standard, Level("adversarial", made["adv-pgd"]))
    yield "robust", (("training", attacked), ("augmentation", moved)), f"{ATTACKED}; the code augments only these"
