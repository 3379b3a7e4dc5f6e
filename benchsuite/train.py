"""Training: a whole recipe at once for the embedded data set, and what every training is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchsuite import pixels, schedules
from benchsuite.distributed.process_group import Group
from benchsuite.feeds import Pictures, place
from benchsuite.models.input_normalization import Inputs
from benchsuite.models.precision import candidates
from benchsuite.models.state_dict import save_state
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.recipe import Recipe
from benchsuite.stats import metrics
from benchsuite.storage.files import writing
from benchsuite.trainer import Means, Trainer
from benchsuite.watch import Watch

if TYPE_CHECKING:
    from numpy.typing import NDArray

_AT_ONCE = 500
"""Images in a batch of the test: the errors do not depend on it."""


def ensure(architecture: Architecture, recipe: Recipe, path: Path, train: Callable[[], Split], watch: Watch) -> None:
    """Trains unless ``path`` is there; writes it whole or not at all."""
    if path.is_file():
        return
    module = fit(architecture, recipe, train(), watch)
    with writing(path) as part:
        save_state(part, module, recipe.preprocess)


def fit(architecture: Architecture, recipe: Recipe, split: Split, watch: Watch) -> Any:
    """A network trained on the CPU or the first CUDA device, in bfloat16 where it has it; returned in evaluation mode.

    The same seed, machine and thread count give the same weights.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    arrays = {size: pixels.read(split, split.samples, recipe.preprocess, size) for size in schedules.sizes(recipe)}
    means = Means(device, pick_precision("auto", device))
    trainer = Trainer(architecture, recipe, pictures(arrays, split.samples, device), len(split.classes), means)
    watch.start(f"training {architecture.name}", trainer.steps)
    try:
        while trainer.step < trainer.steps:
            trainer.advance()
            watch.advance(1, trainer.words)
    finally:
        watch.stop()
    return trainer.module.cpu().eval()


def pictures(arrays: dict[int, NDArray[np.uint8]], samples: Sequence[Sample], device: str) -> Pictures:
    """The arrays of images and their labels, where the training finds them."""
    labels = np.array([s.label for s in samples], dtype=np.int64)
    return Pictures({size: place(array, device) for size, array in arrays.items()}, place(labels, device))


def pick_precision(asked: str, device: str) -> str:
    """``auto`` is bfloat16 or fp16 where the device computes it by itself, else float32: the same at every call.

    To measure which is faster would make other weights whenever the machine does something else too.
    """
    if asked != "auto":
        return asked
    return next((name for name in candidates(device) if name != "tf32"), "fp32")


def right(module: Any, tested: Pictures, preprocess: Preprocess, group: Group) -> NDArray[np.bool_]:
    """Which images the network gets right, (n,), in their order: in float32, as ``benchsuite run`` evaluates.

    Each process takes its share, so that every image is looked at once. Ties go to the lower class.
    """
    array, labels = tested.sizes[preprocess.crop], tested.labels
    device = next(module.parameters()).device
    inputs = Inputs(preprocess, device)
    found = torch.zeros(len(labels), dtype=torch.int64)
    own = torch.arange(len(labels))[group.share(len(labels))]
    group.agree(module)
    learning = module.training
    module.eval()
    with torch.inference_mode():
        for chosen in own.split(_AT_ONCE):
            x = array.index_select(0, chosen.to(array.device)).to(device, non_blocking=True)
            scores = module(inputs(x)).double().cpu().numpy()
            truth = labels[chosen.to(labels.device)].cpu().numpy()
            found[chosen] = torch.from_numpy(metrics.ranks(scores, truth) == 0).long()
    module.train(learning)
    if group.size > 1:
        found = group.total(found.to(device)).cpu()
    return np.asarray(found.numpy().astype(bool))
