"""Recipes: how a network is trained, as frozen values that follow the published sources."""

from __future__ import annotations

import dataclasses
import itertools
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from benchsuite.errors import BadParameter, expected
from benchsuite.specs.perturbation import Perturbation, perturbation_data
from benchsuite.specs.preprocess import Preprocess

Options = tuple[tuple[str, Any], ...]
"""Options of an architecture with their values; options that are not named have their defaults."""

Changes = tuple[tuple[str, Any], ...]
"""Fields of a recipe with new values: ``("epochs", 450)``, ``("optimizer.learning_rate", 1e-4)``,
``("options.level", 0.1)``."""

Labels = Literal["true", "shuffled"]

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta")


@dataclass(frozen=True, slots=True)
class Optimizer:
    """An optimizer with the parameters of ``torch.optim``: ``weight_decay`` is L2, except in adamw, which decouples it.

    ``momentum`` is used by sgd and rmsprop, ``betas`` by adam and adamw.
    """

    name: Literal["sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta"]
    learning_rate: float
    momentum: float = 0.0
    nesterov: bool = False
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.name not in OPTIMIZERS:
            raise BadParameter(expected("an optimizer", f"one of {', '.join(OPTIMIZERS)}", self.name))


@dataclass(frozen=True, slots=True)
class Warmup:
    """A different learning rate at the start: ``factor`` times the usual one.

    It ends after ``epochs``; or, with ``until_error``, when the training error over the last 50 steps is at most that
    share (0.8: 80 % training error).
    """

    factor: float
    epochs: float = 0.0
    until_error: float | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate over time, as multiples of the optimizer's learning rate.

    ``steps``: from each of ``milestones`` on, the rate is the optimizer's times the entry of ``factors`` with the same
    index; factors do not accumulate. Milestones are in ``unit``; epochs are numbered from ``first``, so 60 is the 60th
    epoch with ``first=1`` and the 61st with ``first=0``. ``one-cycle``: the rate rises to the optimizer's over the
    first fifth and then falls to almost zero; momentum (or the first beta) goes from 0.95 to 0.85 and back; both follow
    cosines, as in ``torch.optim.lr_scheduler.OneCycleLR(pct_start=0.2)``.
    """

    kind: Literal["constant", "steps", "one-cycle"] = "constant"
    milestones: tuple[float, ...] = ()
    factors: tuple[float, ...] = ()
    unit: Literal["epochs", "iterations"] = "epochs"
    first: int = 0
    warmup: Warmup | None = None

    def __post_init__(self) -> None:
        if len(self.milestones) != len(self.factors) or (self.kind != "steps" and self.milestones):
            got = f"{len(self.milestones)} and {len(self.factors)}"
            raise BadParameter(
                expected("milestones and factors", "equal in number, and only for a schedule in steps", got)
            )
        if list(self.milestones) != sorted(self.milestones):
            raise BadParameter(expected("milestones", "in ascending order", self.milestones))


def steps(milestones: tuple[float, ...], factor: float, **fields: Any) -> Schedule:
    """A schedule that multiplies the learning rate by ``factor`` at each milestone."""
    factors = tuple(itertools.accumulate([factor] * len(milestones), lambda a, b: a * b))
    return Schedule("steps", tuple(milestones), factors, **fields)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """Random changes of training images, drawn for each image separately except ``shift``.

    ``pad``: a border of ``pad`` pixels is added, and a window of the original size is cut at a random place. The border
    is black, or (``mean``) has the colour that normalisation turns into 0. ``flip``: mirrored with probability 0.5.
    ``shift``: the whole batch is moved by up to 1/``shift`` of its side, and border pixels are repeated; 0: no shift.
    """

    pad: int = 0
    fill: Literal["black", "mean"] = "black"
    flip: bool = False
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Mini:
    """Changes that make a recipe feasible on two CPU cores (``--scale mini``).

    Epochs are divided by ``shorter`` and milestones move in proportion. ``batch_size`` replaces the recipe's. The
    learning rate is multiplied by ``rate``. ``options`` replace those of the architecture. ``images`` is the number of
    training images to use, evenly spaced. ``passes`` is that of a recipe.
    """

    shorter: float
    batch_size: int | None = None
    rate: float = 1.0
    options: Options = ()
    images: int | None = None
    passes: int = 1


@dataclass(frozen=True, slots=True)
class Level:
    """One value of a factor: its name, and its changes to the recipe."""

    name: str
    changes: Changes


@dataclass(frozen=True, slots=True)
class Grid:
    """A full factorial design of trainings: every combination of levels, applied to ``recipe`` in the order of factors.

    ``recipe`` is the name of one of the architecture's recipes. Combinations that give the same training are trained
    once. ``mini`` replaces that of the recipe: a grid has many trainings, so each must be cheaper.
    """

    name: str
    recipe: str
    factors: tuple[tuple[str, tuple[Level, ...]], ...]
    source: str
    note: str = ""
    mini: Mini | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained, as data, not code. ``expected`` is the published result, ``source`` says where it is.

    ``architecture`` is empty for a recipe of any network. ``iterations`` may end the training in the middle of an
    epoch. ``partial`` says whether the last, smaller batch of an epoch is used. Parameters whose names begin with one
    of ``frozen`` are not trained; with ``decay="frozen too"`` weight decay still shrinks them. ``pixel_mean`` fills the
    network's buffer of that name with the mean training image. Batches have the image ``sizes`` in turn (empty: the
    crop of ``preprocess``); ``first_sizes``, if any, replace them in the first 40 % of the steps. A batch of images
    larger than the crop uses only its first images, so that every batch has about as many pixels. ``rest`` makes
    residual branches start at zero. ``images`` limits the number of training images. ``accounting`` names how the
    source counted its accuracy; ``count_batch`` is the batch size that it counted with, if not ``batch_size``.

    With ``labels="shuffled"`` the labels of the training images are permuted, in the same way for every seed; training
    errors are counted against these labels. ``perturbation`` changes the training images after their augmentation; one
    that draws random numbers draws new ones in each epoch, and one that needs the network's gradient gets that of the
    network in training mode, in float32. ``mixup`` is the alpha of mixup: the images of a batch and their losses are
    mixed with those of a permutation of the batch, in a proportion from Beta(alpha, alpha), one for each batch. A
    training error of mixed images is an answer other than the label of the image with the larger part.

    In an epoch each image is trained on ``passes`` times. With few images, fewer tests are then needed, one for each
    epoch. ``watched``: after each epoch the training images are classified under each of these perturbations, in
    evaluation mode and without augmentation. ``watched_images`` of them are used, evenly spaced (None: all).

    With ``resting``, residual blocks that keep the shape of their input rest in this share of the steps, from the
    first: the last scale of their branch is 0, so that they change nothing (Goyal et al. 2017, arXiv:1706.02677, sec.
    5.1), and they are not computed. Blocks that change the shape never rest: their shortcut with stride 2 sees one
    place of four. In a compiled network none rest.
    """

    name: str
    architecture: str = ""
    dataset: str
    options: Options = ()
    preprocess: Preprocess
    epochs: int
    batch_size: int
    optimizer: Optimizer
    schedule: Schedule
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0
    sizes: tuple[int, ...] = ()
    first_sizes: tuple[int, ...] = ()
    iterations: int | None = None
    partial: bool = True
    frozen: tuple[str, ...] = ()
    decay: Literal["learning", "frozen too"] = "learning"
    pixel_mean: bool = False
    rest: bool = False
    images: int | None = None
    passes: int = 1
    labels: Labels = "true"
    perturbation: Perturbation | None = None
    mixup: float | None = None
    watched: tuple[Perturbation, ...] = ()
    watched_images: int | None = None
    resting: float = 0.0
    accounting: str = "exact"
    count_batch: int | None = None
    source: str
    expected: str
    cost: str
    note: str = ""
    mini: Mini | None = None

    def __post_init__(self) -> None:
        where = f"the recipe {self.name}"
        if self.labels not in get_args(Labels):
            raise BadParameter(expected(f"labels of {where}", f"one of {', '.join(get_args(Labels))}", self.labels))
        if self.mixup is not None and not self.mixup > 0:
            raise BadParameter(expected(f"mixup of {where}", "above 0", self.mixup))
        if not 0 <= self.resting < 1:
            raise BadParameter(expected(f"resting of {where}", "from 0 to below 1", self.resting))
        for name, count in (("passes", self.passes), ("watched_images", self.watched_images)):
            if count is not None and count < 1:
                raise BadParameter(expected(f"{name} of {where}", "at least 1", count))
        for one in (*self.watched, *([self.perturbation] if self.perturbation else [])):
            if one.on != "crop":
                rule = "crop, as training images are kept cropped"
                raise BadParameter(expected(f"on of {one.name} in {where}", rule, one.on))


TRAINED_HERE = "trained here"
"""What the label of weights begins with that a recipe of the data set has trained on this machine."""


def trained_label(recipe: Recipe) -> str:
    """The label of weights that a run trains by a recipe of its data set: ``trained here (digits-1)``."""
    return f"{TRAINED_HERE} ({recipe.name})"


_LATER = ("passes", "labels", "perturbation", "mixup", "watched", "watched_images", "resting")
"""Fields that are left out of the data of a recipe while they have their defaults, so that old digests stay valid."""


def recipe_data(recipe: Recipe) -> dict[str, Any]:
    """The recipe as plain JSON data, as used in keys and manifests."""
    plain = dataclasses.asdict(dataclasses.replace(recipe, perturbation=None, watched=()))
    if recipe.perturbation is not None:
        plain["perturbation"] = perturbation_data(recipe.perturbation)
    plain["watched"] = [perturbation_data(one) for one in recipe.watched]
    unused = {f.name for f in dataclasses.fields(recipe) if f.name in _LATER and getattr(recipe, f.name) == f.default}
    if recipe.mini is not None and recipe.mini.passes == 1:
        del plain["mini"]["passes"]
    return {name: value for name, value in plain.items() if name not in unused}
