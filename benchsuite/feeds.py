"""What a network learns from: bytes in memory, gathered, augmented and normalised a batch at a time on the device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from benchsuite import augment, schedules
from benchsuite.distributed.process_group import Group
from benchsuite.models.input_normalization import Inputs
from benchsuite.specs.recipe import Recipe


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """Images as bytes, (n, s, s, 3) for each size s, and their labels (n,); on the device, or beside it."""

    sizes: Mapping[int, Any]
    labels: Any


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """This process's part of a batch: float32 (n, 3, s, s), labels (n,), and how many images all parts have."""

    x: Any
    y: Any
    whole: int


class Feed:
    """The batches of a recipe. ``sizes`` are all those of the images; an epoch's order is a new one each time.

    Everything is drawn for the whole batch, so that it does not depend on the number of processes that share it.
    """

    def __init__(self, pictures: Pictures, recipe: Recipe, device: str, group: Group) -> None:
        self.pictures, self.recipe, self.group = pictures, recipe, group
        self.device = torch.device(device)
        self.sizes = schedules.sizes(recipe)
        self.batch_size = min(recipe.batch_size, len(pictures.labels))
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.inputs = Inputs(recipe.preprocess, self.device)

    def order(self) -> Any:
        """A random order of the images: (n,) indices."""
        return torch.randperm(len(self.pictures.labels), generator=self.generator)

    def batch(self, chosen: Any, size: int) -> Batch:
        """The images with these indices, at one of the ``sizes``.

        A batch of fewer images than processes goes to each of them whole.
        """
        pixels, whole = self.pictures.sizes[size], len(chosen)
        augmentation = self.recipe.augmentation
        draws = augment.draw(augmentation, whole, pixels.shape[1], self.generator)
        if whole < self.group.size:
            whole *= self.group.size
        else:
            part = self.group.share(whole)
            chosen, draws = chosen[part], draws.part(part)
        x, padding = augment.batch(pixels, chosen.to(pixels.device), augmentation, draws)
        y = self.pictures.labels.index_select(0, chosen.to(self.pictures.labels.device))
        x, y = on(x, self.device), on(y, self.device)
        x = self.inputs(x)
        if padding is not None and augmentation.fill == "mean":
            x.masked_fill_(on(padding, self.device).permute(0, 3, 1, 2), 0.0)
        return Batch(x, y, whole)

    def mean_image(self) -> Any:
        """The mean of the images, normalised: float32 (3, s, s) at the usual size."""
        how = self.recipe.preprocess
        pixels = self.pictures.sizes[how.crop]
        total = sum(block.double().sum(0) for block in pixels.split(1000))
        mean = (total / len(pixels)).permute(2, 0, 1).to(self.device)
        mean = mean.flip(0) if how.channel_order == "BGR" else mean
        offset, scale = (v.view(-1, 1, 1) for v in (self.inputs.mean, self.inputs.std))
        return ((mean / 255 * how.range - offset) / scale).float()


def place(array: Any, device: str) -> Any:
    """An array for training: on the GPU where it takes at most a quarter of what is free there, else beside it."""
    made = torch.from_numpy(array)
    if not device.startswith("cuda"):
        return made.to(device)
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return made.to(device) if made.nbytes <= free // 4 else made.pin_memory()


def on(x: Any, device: torch.device) -> Any:
    """A tensor on the device; to a GPU, without waiting for the copy."""
    if x.device.type == device.type:
        return x
    return (x.pin_memory() if device.type == "cuda" else x).to(device, non_blocking=True)
