"""Recipes: how a network is trained, as frozen values in the words of their sources."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Any, Literal

from benchsuite.errors import BadParameter, expected
from benchsuite.specs.preprocess import Preprocess

Options = tuple[tuple[str, Any], ...]
"""Options of an architecture with their values; what is not named has its default."""

Changes = tuple[tuple[str, Any], ...]
"""Fields of a recipe with new values: ``("epochs", 450)``, ``("optimizer.learning_rate", 1e-4)``,
``("options.level", 0.1)``."""

OPTIMIZERS = ("sgd", "adam", "adamw", "rmsprop", "adagrad", "adadelta")


@dataclass(frozen=True, slots=True)
class Optimizer:
    """How a step is made, as ``torch.optim`` counts: ``weight_decay`` is L2 but for adamw, which decouples it.

    ``momentum`` is that of sgd and rmsprop, ``betas`` those of adam and adamw.
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
    """Another learning rate at the start: ``factor`` times the usual one.

    It ends after ``epochs``; or, with ``until_error``, when that share of the images of the last 50 steps was wrong at
    most (0.8: below 80 % training error).
    """

    factor: float
    epochs: float = 0.0
    until_error: float | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate over time, as multiples of the optimizer's.

    ``steps``: from each of ``milestones`` on it is multiplied by the number of ``factors`` at the same place; they are
    multiples of the first rate, not of the one before. Milestones are in ``unit``; epochs are numbered from ``first``,
    so that 60 with ``first=1`` is the 60th epoch, and with ``first=0`` the 61st. ``one-cycle``: up to the learning rate
    over the first fifth and down to nothing, momentum (or the first beta) from 0.95 to 0.85 and back, both along
    cosines, as ``torch.optim.lr_scheduler.OneCycleLR(pct_start=0.2)``.
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
            raise BadParameter(expected("milestones and factors", "as many, for a schedule in steps", got))
        if list(self.milestones) != sorted(self.milestones):
            raise BadParameter(expected("milestones", "in the order of time", self.milestones))


def steps(milestones: tuple[float, ...], factor: float, **fields: Any) -> Schedule:
    """A schedule that multiplies the learning rate by ``factor`` at each milestone."""
    factors = tuple(itertools.accumulate([factor] * len(milestones), lambda a, b: a * b))
    return Schedule("steps", tuple(milestones), factors, **fields)


@dataclass(frozen=True, slots=True)
class Augmentation:
    """What happens to training images, each for itself unless said otherwise.

    ``pad``: a border of so many pixels is added, and a window of the old size is cut at a random place; the border is
    black, or of the colour that normalisation turns into 0 (``mean``). ``flip``: mirrored with probability 0.5.
    ``shift``: the whole batch is moved by up to the ``shift``-th part of its side, its border is repeated; 0 is none.
    """

    pad: int = 0
    fill: Literal["black", "mean"] = "black"
    flip: bool = False
    shift: int = 0


@dataclass(frozen=True, slots=True)
class Mini:
    """What makes a recipe fit two CPU cores (``--scale mini``).

    Epochs are divided by ``shorter`` and milestones move in proportion; ``batch_size`` replaces the recipe's; the
    learning rate is multiplied by ``rate``; ``options`` replace those of the architecture; ``images`` is how many of
    the training images are used, at even distances.
    """

    shorter: float
    batch_size: int | None = None
    rate: float = 1.0
    options: Options = ()
    images: int | None = None


@dataclass(frozen=True, slots=True)
class Level:
    """One value of a factor: its name, and what it changes in the recipe."""

    name: str
    changes: Changes


@dataclass(frozen=True, slots=True)
class Grid:
    """A full factorial of trainings: every combination of one level of each factor, applied in order to ``recipe``.

    ``recipe`` is the name of one of the architecture's recipes. Combinations that come to the same are trained once.
    ``mini`` is used in the place of the recipe's: a grid has many trainings, so that each must be cheaper.
    """

    name: str
    recipe: str
    factors: tuple[tuple[str, tuple[Level, ...]], ...]
    source: str
    note: str = ""
    mini: Mini | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained, as data: a value in a table, never a script. ``source`` and ``expected`` are its claim.

    ``architecture`` is empty for a recipe of any network. ``iterations`` ends the training in the middle of an epoch.
    ``partial`` says whether the last, smaller batch of an epoch is trained on. Parameters whose names begin with one of
    ``frozen`` do not learn; ``decay="frozen too"`` shrinks them all the same. ``pixel_mean`` fills the network's buffer
    of that name with the mean training image. Batches have the ``sizes`` in turn (none: the crop of ``preprocess``),
    and ``first_sizes``, where there are any, in the first 40 % of the steps; a batch of larger images than the crop
    uses the first few of its places, so that each has about as many pixels. ``rest`` starts residual branches at zero.
    ``images`` limits the training images. ``accounting`` names how the source counted, and ``count_batch`` the batch it
    counted in where that is another than ``batch_size``.
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
    accounting: str = "exact"
    count_batch: int | None = None
    source: str
    expected: str
    cost: str
    note: str = ""
    mini: Mini | None = None
