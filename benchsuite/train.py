"""Training on an embedded data set: small, seeded, and kept in the user's cache."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchsuite import ops
from benchsuite._training import Training
from benchsuite.chunks import writing
from benchsuite.specs import Architecture, Recipe, Split, center
from benchsuite.weights import save_state

Tell = Callable[[int, int, float], None]


def ensure(architecture: Architecture, recipe: Recipe, path: Path, train: Callable[[], Split], tell: Tell) -> None:
    """Trains unless ``path`` is there; writes it whole or not at all. ``tell(step, steps, loss)`` after each step."""
    if path.is_file():
        return
    module = fit(architecture, recipe, train(), tell)
    with writing(path) as part:
        save_state(part, module, recipe.preprocess)


def fit(architecture: Architecture, recipe: Recipe, split: Split, tell: Tell) -> Any:
    """A network trained on the CPU or the first CUDA device, in evaluation mode.

    AdamW with a one-cycle schedule; every batch has one of the recipe's sizes, in turn, and is shifted by a few pixels.
    Of an epoch's order, batches of larger images use the first few of their places.
    The same seed, machine and thread count give the same weights.
    """
    torch.manual_seed(recipe.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator().manual_seed(recipe.seed)
    images = {size: _pixels(split, recipe, size) for size in {*recipe.sizes, *recipe.first_sizes}}
    labels = torch.tensor([s.label for s in split.samples])
    module = architecture.build(len(split.classes)).to(device, memory_format=torch.channels_last).train()
    rest_residual_branches(module)
    batch = min(recipe.batch_size, len(labels))
    per_epoch = len(labels) // batch
    steps = max(1, round(per_epoch * recipe.epochs))
    rates = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}
    optimiser = torch.optim.AdamW(module.parameters(), **rates, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, recipe.learning_rate, steps, pct_start=0.2)
    half = bfloat16_is_faster(device)
    training = Training(several_sizes=len(images) > 1)
    for step in range(steps):
        if step % per_epoch == 0:
            order = torch.randperm(len(labels), generator=generator)
        sizes = recipe.first_sizes if recipe.first_sizes and step < 0.4 * steps else recipe.sizes
        size = sizes[step % len(sizes)]
        chosen = order[step % per_epoch * batch :][: images_of(recipe, batch, size)]
        x = _shifted(images[size][chosen], generator)
        x, y = x.to(device).contiguous(memory_format=torch.channels_last), labels[chosen].to(device)
        training.progress = step / steps
        with training, torch.autocast(device, torch.bfloat16, enabled=half):
            out = module(x)
        loss = F.cross_entropy(out.float(), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        tell(step + 1, steps, float(loss.detach()))
    return module.cpu().eval()


def images_of(recipe: Recipe, batch: int, size: int) -> int:
    """How many images of ``size`` pixels have the area of a batch of nominal ones; at least 4, at most ``batch``."""
    return min(batch, max(4, round(batch * (recipe.preprocess.crop / size) ** 2)))


def rest_residual_branches(module: Any) -> None:
    """Starts each residual block as the identity: the last scale of its branch is 0. Deep networks learn sooner.

    Goyal et al. 2017 (arXiv:1706.02677), sec. 5.1. Blocks are those with ``downsample`` and ``bn2`` or ``bn3``, as in
    torchvision and timm; other networks start as they are built.
    """
    for block in module.modules():
        last = getattr(block, "bn3", None) or getattr(block, "bn2", None)
        if hasattr(block, "downsample") and isinstance(last, torch.nn.BatchNorm2d):
            torch.nn.init.zeros_(last.weight)


def bfloat16_is_faster(device: str) -> bool:
    """Whether bfloat16 convolutions are clearly faster than float32 ones here: processors without them emulate them."""
    layer = torch.nn.Conv2d(64, 64, 3, padding=1).to(device, memory_format=torch.channels_last)
    x = torch.randn(16, 64, 8, 8, device=device).to(memory_format=torch.channels_last)

    def seconds(enabled: bool) -> float:
        times = []
        for _ in range(4):
            start = time.perf_counter()
            with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=enabled):
                float(layer(x).sum())
            times.append(time.perf_counter() - start)
        return min(times[1:])

    return seconds(True) < 0.8 * seconds(False)


def _pixels(split: Split, recipe: Recipe, size: int) -> Any:
    """All training images at one size, normalised as in evaluation. -> float32 (n, 3, size, size)."""
    p, view = recipe.preprocess, center(recipe.preprocess)
    pixels = np.stack([ops.resize(split.read(s), size, size, view) for s in split.samples])
    x = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255).mul_(p.range)
    return x.sub_(torch.tensor(p.mean).view(1, -1, 1, 1)).div_(torch.tensor(p.std).view(1, -1, 1, 1))


def _shifted(x: Any, generator: torch.Generator) -> Any:
    """A batch moved by up to a twelfth of its side; the border is repeated. (n, c, h, w) -> the same shape."""
    reach = max(1, x.shape[-1] // 12)
    down, right = torch.randint(0, 2 * reach + 1, (2,), generator=generator).tolist()
    padded = F.pad(x, (reach, reach, reach, reach), mode="replicate")
    return padded[:, :, down : down + x.shape[2], right : right + x.shape[3]]
