"""The manifest of a training: what was trained, how, and the results."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.evaluation import preprocessing
from benchsuite.specs.recipe import recipe_data
from benchsuite.stats import accounting
from benchsuite.stats.metrics import Count
from benchsuite.stats.significance import wilson
from benchsuite.storage.environment import environment
from benchsuite.storage.keys import digest_lines
from benchsuite.training.history import History, watched_counts
from benchsuite.training.job import Job, TrainRequest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from benchsuite.training.trainer import Trainer


_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


def row(manifest: Mapping[str, Any], path: Path, *, cached: bool) -> dict[str, Any]:
    """A finished training as the flat object of ``train --json``.

    The counts are those of the last epoch on the test images, errors and intervals unrounded percentages.
    ``best_heldout`` is the epoch with the fewest errors on the held-out images, ``as_source`` the number that the
    recipe's source would have published for these epochs; None if there is no such number. ``train_error NAME`` is the
    error on the training images under each perturbation that the recipe watches.
    """
    last, recipe, numerics = manifest["last"], manifest["recipe"], manifest["numerics"]
    count = Count(last["test_errors"], last["test_n"])
    return {
        "run_id": manifest["run_id"],
        "path": str(path),
        "architecture": manifest["architecture"]["name"],
        "recipe": recipe["name"],
        "scale": manifest["scale"],
        "dataset": manifest["dataset"]["name"],
        "train_n": manifest["dataset"]["learned"],
        "epochs": last["epoch"],
        "n": count.total,
        "top1_errors": count.hits,
        "top1_error": 100 * count.hits / count.total,
        "top1_interval": [100 * bound for bound in wilson(count)],
        "best_heldout": manifest["best_heldout"],
        "as_source": manifest["as_source"],
        "expected": recipe["expected"],
        "source": recipe["source"],
        "seed": recipe["seed"],
        "precision": numerics["precision"],
        "processes": numerics["processes"],
        "images_per_second": manifest["images_per_second"],
        "seconds": manifest["seconds"],
        "cached": cached,
        "preprocessing": preprocessing.of_manifest(manifest),
        **{f"train_error {name}": 100 * seen.hits / seen.total for name, seen in watched_counts(last).items()},
    }


def make(
    job: Job, request: TrainRequest, trainer: Trainer, history: History, seconds: dict[str, float]
) -> dict[str, Any]:
    """The manifest of a finished training: plain JSON data."""
    learned = sum(r["train_n"] for r in history.rows)
    return {
        "run_id": job.run_id,
        "benchsuite": metadata.version("benchsuite"),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "command": command(job, request),
        "asked": job.identity,
        "scale": job.scale,
        "architecture": {"name": job.architecture.name, "owner": job.owner, **sizes(trainer.module)},
        "recipe": recipe_data(job.recipe),
        "dataset": {
            "name": job.test.name,
            "classes": len(job.test.classes),
            "learned": len(job.learned),
            "heldout": len(job.heldout),
            "train": len(job.train.samples),
            "n": len(job.test.samples),
            "digest": digest_lines(f"{job.identity[part]}" for part in ("learned", "heldout", "test")),
        },
        "epochs": len(history.rows),
        "steps": trainer.steps,
        "last": history.rows[-1],
        "best_heldout": _best_epoch(history.best("heldout_errors")),
        "as_source": _as_source(job, history),
        "numerics": trainer.numerics(),
        "seconds": seconds,
        "images_per_second": learned / seconds["train"] if seconds["train"] else None,
        **environment(),
    }


def command(job: Job, request: TrainRequest) -> str:
    """The command line of this training; for a cell of a grid, that of the whole grid."""
    name = job.recipe.name.partition("@")[0]
    grids = [g.name for g in job.architecture.grids if name.startswith(f"{g.name}-")]
    grid = None if name in {r.name for r in job.architecture.recipes} else next(iter(grids), None)
    words = ["benchsuite", "train", *(("--grid", grid) if grid else (request.architecture, "--recipe", name))]
    for option in ("data", "epochs", "seed"):
        value = getattr(request, option)
        words += [f"--{option}", str(value)] if value is not None else []
    words += ["--scale", request.scale] if request.scale != "full" else []
    words += ["--held-out", str(request.heldout)] if request.heldout else []
    words += ["--precision", request.precision] if request.precision != "auto" else []
    return " ".join([*words, *(["--compile"] if request.compiled else [])])


def as_source(
    name: str, correct: NDArray[np.bool_], batch_size: int, heldout: NDArray[Any] | None
) -> dict[str, Any] | None:
    """The top-1 error in percent that an accounting reports for these epochs, by its counts and its choice of epoch.

    ``correct`` is (e, n) bool in the loader's order, ``heldout`` the number of errors on held-out images, (e,). None
    if the accounting reports nothing, because there are too few epochs or no held-out images.
    """
    how = accounting.find(name)
    if not how.applies(len(correct), heldout=heldout is not None):
        return None
    epoch, accuracy = accounting.printed_accuracy(how, correct, batch_size, heldout)
    return {"accounting": how.name, "epoch": epoch + 1, "top1_error": float(100 * (1 - accuracy)), "note": how.note}


def _as_source(job: Job, history: History) -> dict[str, Any] | None:
    import numpy as np

    heldout = np.array([r["heldout_errors"] for r in history.rows]) if job.heldout else None
    return as_source(job.recipe.accounting, np.stack(history.correct), history.batch_size, heldout)


def _best_epoch(best: dict[str, Any] | None) -> dict[str, Any] | None:
    """The errors of an epoch on the held-out and the test images; None without an epoch."""
    names = ("epoch", "heldout_errors", "heldout_n", "test_errors", "test_n")
    return None if best is None else {name: best[name] for name in names}


def sizes(module: Any) -> dict[str, int]:
    """How many scalars of a network are trainable weights, frozen weights and masks.

    Masks are the buffers that are not statistics of batch normalisation, and the parameters that a layer lists in
    ``mask_names``, trainable or not.
    """
    named = {id(getattr(layer, name)) for layer in module.modules() for name in getattr(layer, "mask_names", ())}
    weights = [p for p in module.parameters() if id(p) not in named]
    buffers = [t for name, t in module.named_buffers() if not name.endswith(_STATISTICS)]
    masks = [*(p for p in module.parameters() if id(p) in named), *buffers]
    return {
        "parameters": sum(p.numel() for p in weights if p.requires_grad),
        "frozen": sum(p.numel() for p in weights if not p.requires_grad),
        "masks": sum(t.numel() for t in masks),
    }
