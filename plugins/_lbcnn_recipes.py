"""Recipes of the published LBCNN results: three data sets, each with its dense baseline.

Each recipe has a mini size for two CPU cores: about a tenth of the filters and blocks, few images, five epochs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from benchsuite import Augmentation, Mini, Optimizer, Preprocess, Recipe, Schedule

Options = dict[str, Any]


def of_255(*values: float) -> tuple[float, ...]:
    """Converts means or standard deviations for pixels in 0..255 into those for pixels in 0..1."""
    return tuple(value / 255 for value in values)


CIFAR = Preprocess(32, 32, "bilinear", of_255(125.3, 123.0, 113.9), of_255(63.0, 62.1, 66.7))
SVHN = Preprocess(32, 32, "bilinear", of_255(111.6, 113.2, 120.6), of_255(30.6, 31.4, 26.8))
MNIST = Preprocess(32, 32, "bilinear", (0.1307,) * 3, (0.3081,) * 3)
SGD = Optimizer("sgd", 1e-4, momentum=0.9, nesterov=True, weight_decay=1e-4)
LATE = Schedule("steps", (81, 91, 101), (0.1, 10**-1.5, 0.01), first=1)

EPOCHS, IMAGES, BATCH, FASTER = 5, 10_000, 50, 10
SMALL: Options = {"filters": 64, "depth": 5}
"""Options of the mini size. Its learning rate grows with the batch, and by ``FASTER`` because there are few steps."""


@dataclass(frozen=True, slots=True)
class Row:
    """An experiment as published: a network with fixed filters, and the same network with learned filters.

    ``said`` is the published accuracy in percent of the first network. ``small`` has further options of the mini size.
    ``timed`` says whether the time of the mini size was measured in a whole training.
    """

    name: str
    dataset: str
    said: str
    options: Options
    sparsity: float
    batch: int
    preprocess: Preprocess
    note: str
    flip: bool = True
    schedule: Schedule = Schedule()  # noqa: RUF009 - frozen
    small: Options = field(default_factory=dict)
    timed: bool = False


ROWS = (
    Row(
        name="lbcnn-mnist",
        dataset="mnist",
        said="~99.5",
        options={"channels": 16, "filters": 512, "depth": 75, "full": 128, "grey": True},
        sparsity=0.5,
        batch=10,
        preprocess=MNIST,
        note=(
            "Pictures of 28 x 28 are resized to 32, where the source has files of 32 x 32; mean and std, which it "
            "measures itself, are those in juefeix/pnn.pytorch"
        ),
        flip=False,
    ),
    Row(
        name="lbcnn-svhn",
        dataset="svhn",
        said="~94.5",
        options={"channels": 16, "filters": 512, "depth": 40, "full": 512},
        sparsity=0.9,
        batch=10,
        preprocess=SVHN,
        note="Digits are mirrored, as in the source",
    ),
    Row(
        name="lbcnn-cifar-10",
        dataset="cifar10",
        said="~93",
        options={"channels": 384, "filters": 704, "depth": 50, "full": 512},
        sparsity=0.001,
        batch=5,
        preprocess=CIFAR,
        note="The learning rate falls at epoch 81, after the number in print",
        schedule=LATE,
        small={"channels": 16, "full": 128, "sparsity": 0.025},  # 3.6 draws per filter; the source has 3.5
        timed=True,
    ),
)


def recipes() -> tuple[Recipe, ...]:
    """The recipes of all published LBCNN experiments."""
    return tuple(_recipe(row, dense=dense) for row in ROWS for dense in (False, True))


def _recipe(row: Row, *, dense: bool) -> Recipe:
    """The recipe of a row, with its mini size."""
    own: Options = {"dense": True} if dense else {"sparsity": row.sparsity, "leak": True}
    small = {name: value for name, value in (SMALL | row.small).items() if not (dense and name == "sparsity")}
    rate = FASTER * BATCH / row.batch
    changed = ", ".join(f"{key}={value}" for key, value in small.items())
    mini = f"mini: {changed}, {EPOCHS} epochs of {IMAGES:,} images in batches of {BATCH}, learning rate times {rate:g}"
    leak = "" if dense else ". Weight decay shrinks the fixed filters, as in the source"
    timed = "measured" if row.timed else "estimated from batches"
    return Recipe(
        name=row.name + ("-dense" if dense else ""),
        architecture="lbcnn",
        dataset=row.dataset,
        options=tuple((row.options | own).items()),
        preprocess=row.preprocess,
        epochs=80,
        batch_size=row.batch,
        optimizer=SGD,
        schedule=row.schedule,
        augmentation=Augmentation(pad=4, fill="mean", flip=row.flip),
        seed=3,
        accounting="batch-mean",
        source="juefeix/lbcnn.torch, README.md and opts.lua",
        expected="no number in print" if dense else f"top-1 accuracy {row.said} % after 80 epochs",
        cost=f"80 epochs in batches of {row.batch}, not run. mini: about 5 minutes of one core, {timed}",
        note=f"{row.note}{leak}. The code of the source keeps the epoch with the LOWEST accuracy as its best. {mini}",
        mini=Mini(80 / EPOCHS, BATCH, rate, tuple(small.items()), IMAGES),
    )
