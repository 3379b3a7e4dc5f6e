"""Recipes of HFC (Wang et al. 2020, arXiv:1905.13545): the paper's setting, its code's, and Fashion-MNIST.

The paper and its code differ in the network, in the edge of the filters, in the range of the pixels and in mixup.
Each recipe has a mini size for two CPU cores.
"""

from __future__ import annotations

from collections.abc import Iterator
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

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where and how the experiments are done. ``prefix`` begins the names; ``alpha`` is that of mixup.

    ``rule`` and ``range`` are those of the filters. With ``range="max"`` all training images are divided by their
    largest value, also unfiltered ones. ``moved`` is the augmentation of the adversarial training. ``small`` is the
    mini size, ``few`` that of natural and shuffled labels, for 100 epochs.
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
    moved=Augmentation(pad=2, flip=True),
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
    moved=Augmentation(pad=2, flip=True),
    partial=True,
    accounting="exact",
    small=Mini(100 / 6, 50, 30, (("n", 1),), 10_000),
    few=Mini(12.5, 50, 20, (("n", 1),), 1_000, passes=6),
    images=60_000,
)


@dataclass(frozen=True, slots=True)
class Experiment:
    """An experiment: what it changes in that with natural labels. ``mini`` are changes to the mini size."""

    name: str
    fields: Fields
    note: str = ""
    mini: Fields | None = None


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

WATCHED = "After each epoch: the training error on low-pass images, 2,000 for each radius (the source: not stated)"
SHUFFLED = (
    "The labels of the training images are permuted, always in the same way, as the source has a fixed file. " + WATCHED
)
SIZES = "The batch sizes of the source are not verified; this one is a choice"
RATES = "The learning rate is that of Adam for every optimizer; momentum is not stated: none"
ATTACKED = (
    "Trained on attacked images only: eps 0.03 (8/255 in the paper), 10 steps of 0.003, from the image itself, by the "
    "network in training mode"
)

OPTIMIZERS = {"sgd": 1000.0, "adagrad": 100.0, "adadelta": 10_000.0, "rmsprop": 10.0}
"""The other optimizers of the sweep, with the factor on the learning rate of 1e-4 at the mini size."""


def experiments(setting: Setting) -> Iterator[Experiment]:
    """The experiments apart from natural labels."""
    low = {r: filtered("lowpass", r, setting) for r in RADII}
    high = {r: filtered("highpass", r, setting) for r in RADII}
    yield Experiment("shuffled", {"labels": "shuffled", "epochs": 300}, SHUFFLED)
    for r in RADII:
        yield Experiment(f"train-low-r{r}", {"perturbation": low[r]}, "Trained on low-pass images, tested on originals")
    for r in RADII:
        yield Experiment(
            f"train-high-r{r}", {"perturbation": high[r]}, "Trained on high-pass images, tested on originals"
        )
    yield Experiment("dropout", {"options": (("dropout", 0.5),)}, "Dropout of 0.5 before the last layer")
    yield Experiment("mixup", {"mixup": setting.alpha}, f"Mixup with alpha {setting.alpha:g}")
    yield Experiment("batchnorm", {"options": (("bn", True),)}, "Batch normalisation, gamma 1 and beta 0 at the start")
    for r in RADII:
        fields = {"options": (("bn", True),), "perturbation": low[r]}
        note = "Batch normalisation, trained on low-pass images only; the source's radius is not stated: all four"
        yield Experiment(f"batchnorm-low-r{r}", fields, note)
    for size in BATCHES:
        yield Experiment(f"batch-{size}", {"batch_size": size}, SIZES, {"batch_size": size})
    for name, rate in OPTIMIZERS.items():
        yield Experiment(f"optimizer-{name}", {"optimizer": Optimizer(name, 1e-4)}, RATES, {"rate": rate})  # type: ignore[arg-type]
    yield adversarial(setting)


def adversarial(setting: Setting) -> Experiment:
    """PGD training."""
    note = ATTACKED
    if setting.range == "max":
        note += ". Whether the code divides these images by their largest value is not stated: not divided"
    return Experiment("adv-pgd", {"perturbation": PGD, "augmentation": setting.moved}, note, {"images": 3_000})


def recipes(setting: Setting) -> tuple[Recipe, ...]:
    """All recipes of a setting, that with natural labels first."""
    natural = _natural(setting)
    return natural, *(_changed(natural, setting, one) for one in experiments(setting))


def grids(setting: Setting) -> tuple[Grid, ...]:
    """The grids of a setting. Each begins from the recipe with natural labels."""
    made = {one.name: one for one in experiments(setting)}

    def levels(first: str, names: dict[str, str]) -> tuple[Level, ...]:
        others = (Level(level, _changes(setting, made[name])) for level, name in names.items())
        return (Level(first, _changes(setting, Experiment("", {}))), *others)

    low = {f"low r={r}": f"train-low-r{r}" for r in RADII}
    high = {f"high r={r}": f"train-high-r{r}" for r in RADII}
    mixes = tuple(
        Level(f"mixup {alpha:g}", _changes(setting, Experiment("", {"mixup": alpha}))) for alpha in (0.5, 1.0)
    )
    labels = (Level("natural", ()), Level("shuffled", _watching(_changes(setting, made["shuffled"]), setting)))
    sizes = [Experiment(f"{size}", {"batch_size": size}, mini={"batch_size": size}) for size in sorted((100, *BATCHES))]
    bn = (Level("none", ()), Level("bn", (("options.bn", True),)))
    plain, *attacked = levels("natural", {"adversarial": "adv-pgd"})
    still = tuple(Level(level.name, (*level.changes, ("augmentation", Augmentation()))) for level in attacked)
    moved = (Level("none", ()), Level("pad 2, flip", (("augmentation", Augmentation(pad=2, flip=True)),)))
    few = replace(setting.few, shorter=setting.few.shorter)
    return (
        _grid(setting, "labels", (("labels", labels),), mini=few),
        _grid(setting, "low-high", (("images", levels("originals", low | high)),)),
        _grid(
            setting,
            "heuristics",
            (("heuristic", (*levels("none", {"dropout": "dropout", "batchnorm": "batchnorm"}), *mixes)),),
        ),
        _grid(setting, "batchnorm", (("images", levels("originals", low)), ("norm", bn))),
        _grid(setting, "batchsize", (("batch", tuple(Level(s.name, _changes(setting, s)) for s in sizes)),), SIZES),
        _grid(
            setting,
            "optimizers",
            (("optimizer", levels("adam", {name: f"optimizer-{name}" for name in OPTIMIZERS})),),
            RATES,
        ),
        _grid(setting, "robust", (("training", (plain, *still)), ("augmentation", moved)), ATTACKED),
    )


def _natural(setting: Setting) -> Recipe:
    watched = tuple(filtered("lowpass", r, setting) for r in RADII)
    recipe = Recipe(
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
        watched=watched,
        watched_images=2_000,
        accounting=setting.accounting,
        source=setting.source,
        expected=UNVERIFIED,
        cost="",
        mini=setting.small,
    )
    return _told(recipe, setting, f"Natural labels. {WATCHED}")


def _changed(natural: Recipe, setting: Setting, one: Experiment) -> Recipe:
    fields = dict(_changes(setting, one))
    if one.name == "shuffled":
        fields |= {"watched": natural.watched, "watched_images": natural.watched_images}
    return _told(replace(natural, name=f"{setting.prefix}-{one.name}", **fields), setting, one.note)


def _changes(setting: Setting, one: Experiment) -> tuple[tuple[str, Any], ...]:
    """The changes of an experiment to the recipe with natural labels; nothing is watched."""
    mini = setting.small
    if one.name == "shuffled":
        mini = replace(setting.few, shorter=3 * setting.few.shorter)
    return tuple(
        {"watched": (), "watched_images": None, **one.fields, "mini": replace(mini, **(one.mini or {}))}.items()
    )


def _watching(changes: tuple[tuple[str, Any], ...], setting: Setting) -> tuple[tuple[str, Any], ...]:
    return tuple((name, value) for name, value in changes if not name.startswith("watched"))


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


def _grid(
    setting: Setting, name: str, factors: tuple[tuple[str, tuple[Level, ...]], ...], note: str = "", mini: Any = None
) -> Grid:
    return Grid(f"{setting.prefix}-{name}", f"{setting.prefix}-natural", factors, setting.source, note, mini)
