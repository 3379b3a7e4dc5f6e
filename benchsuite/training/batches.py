"""Batches for training: the order of an epoch, augmentation, the copy to the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from benchsuite.distributed.process_group import Group
from benchsuite.models.input_normalization import InputNormalization
from benchsuite.specs.recipe import Augmentation, Recipe
from benchsuite.training import schedules
from benchsuite.training.images import TrainingImages


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Random draws for a batch of n images: ``top`` and ``left`` of the crop in the padded image, (n,) int64 each.

    ``flip``, (n,) bool, is which images are mirrored; ``shift`` is (reach, down, right) for all images of the batch. A
    field is None if the augmentation does not ask for it.
    """

    top: Any = None
    left: Any = None
    flip: Any = None
    shift: tuple[int, int, int] | None = None

    def part(self, chosen: slice) -> Draws:
        """The draws of some images of the batch."""
        top, left, flip = (None if d is None else d[chosen] for d in (self.top, self.left, self.flip))
        return Draws(top, left, flip, self.shift)


def draw(augmentation: Augmentation, images: int, size: int, generator: torch.Generator) -> Draws:
    """Draws for a batch. All positions of the crop are equally likely, as in torchvision's ``RandomCrop``."""
    shift, places, flip = None, (None, None), None
    if augmentation.shift:
        reach = max(1, size // augmentation.shift)
        down, right = torch.randint(0, 2 * reach + 1, (2,), generator=generator).tolist()
        shift = (reach, down, right)
    if augmentation.pad:
        places = tuple(torch.randint(0, 2 * augmentation.pad + 1, (2, images), generator=generator))
    if augmentation.flip:
        flip = torch.rand(images, generator=generator) < 0.5
    return Draws(*places, flip, shift)


def batch(pixels: Any, chosen: Any, augmentation: Augmentation, draws: Draws) -> tuple[Any, Any]:
    """Gathers and augments: uint8 (N, s, s, 3), (n,) indices -> uint8 (n, s, s, 3), and which pixels are padding.

    Padding is black; the second value, bool (n, s, s, 1), is None without padding. Each image is cropped from its
    padded copy and then mirrored, by indexing: the padded copy is never made.
    """
    x = pixels.index_select(0, chosen)
    if draws.shift is not None:
        x = _shifted(x, *draws.shift)
    if draws.top is None and draws.flip is None:
        return x, None
    size, device = x.shape[1], x.device
    along = torch.arange(size, device=device)
    rows, columns = along, along
    if draws.flip is not None:
        columns = torch.where(draws.flip.to(device)[:, None], size - 1 - along, along)
    if draws.top is not None:
        rows = along + (draws.top.to(device) - augmentation.pad)[:, None]
        columns = columns + (draws.left.to(device) - augmentation.pad)[:, None]
    rows, columns = rows.expand(len(x), size), columns.expand(len(x), size)
    first = torch.arange(len(x), device=device)[:, None, None] * (size * size)
    places = first + rows.clamp(0, size - 1)[:, :, None] * size + columns.clamp(0, size - 1)[:, None, :]
    cropped = x.reshape(-1, 3).index_select(0, places.flatten()).view_as(x)
    if draws.top is None:
        return cropped, None
    outside = ((rows < 0) | (rows >= size))[:, :, None] | ((columns < 0) | (columns >= size))[:, None, :]
    outside = outside[..., None]
    return cropped.masked_fill_(outside, 0), outside


def _shifted(x: Any, reach: int, down: int, right: int) -> Any:
    """All images moved alike, by at most ``reach`` pixels; the border is repeated. (n, s, s, 3) -> the same shape."""
    size = x.shape[1]
    along = torch.arange(size, device=x.device)
    rows, columns = ((along + move - reach).clamp(0, size - 1) for move in (down, right))
    return x.index_select(1, rows).index_select(2, columns)


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """This process's part of a batch: ``x`` float32 (n, 3, s, s), labels ``y`` (n,), and the images of all parts."""

    x: Any
    y: Any
    whole: int


class Feed:
    """Makes the batches of a recipe. ``sizes`` are all sizes of its images; each epoch has a new random order.

    Draws are made for the whole batch, so they do not depend on the number of processes that share it.
    """

    def __init__(self, pictures: TrainingImages, recipe: Recipe, device: str, group: Group) -> None:
        self.pictures, self.recipe, self.group = pictures, recipe, group
        self.device = torch.device(device)
        self.sizes = schedules.sizes(recipe)
        self.batch_size = min(recipe.batch_size, len(pictures.labels))
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.inputs = InputNormalization(recipe.preprocess, self.device)

    def state(self) -> Any:
        """The state of the generator that draws orders and augmentation: a uint8 tensor."""
        return self.generator.get_state()

    def restore(self, state: Any) -> None:
        """Goes back to a ``state``."""
        self.generator.set_state(state)

    def order(self) -> Any:
        """A random order of the images: (n,) indices."""
        return torch.randperm(len(self.pictures.labels), generator=self.generator)

    def batch(self, chosen: Any, size: int) -> Batch:
        """The images with these indices, at one of the ``sizes``.

        Every process gets all images of a batch that has fewer images than there are processes.
        """
        pixels, whole = self.pictures.sizes[size], len(chosen)
        augmentation = self.recipe.augmentation
        draws = draw(augmentation, whole, pixels.shape[1], self.generator)
        if whole < self.group.size:
            whole *= self.group.size
        else:
            part = self.group.share(whole)
            chosen, draws = chosen[part], draws.part(part)
        x, padding = batch(pixels, chosen.to(pixels.device), augmentation, draws)
        y = self.pictures.labels.index_select(0, chosen.to(self.pictures.labels.device))
        x, y = to_device(x, self.device), to_device(y, self.device)
        x = self.inputs(x)
        if padding is not None and augmentation.fill == "mean":
            x.masked_fill_(to_device(padding, self.device).permute(0, 3, 1, 2), 0.0)
        return Batch(x, y, whole)

    def mean_image(self) -> Any:
        """The mean of the training images, normalised: float32 (3, s, s), where s is the crop of the preprocessing."""
        how = self.recipe.preprocess
        pixels = self.pictures.sizes[how.crop]
        total = sum(block.double().sum(0) for block in pixels.split(1000))
        mean = (total / len(pixels)).permute(2, 0, 1).to(self.device)
        mean = mean.flip(0) if how.channel_order == "BGR" else mean
        offset, scale = (v.view(-1, 1, 1) for v in (self.inputs.mean, self.inputs.std))
        return ((mean / 255 * how.range - offset) / scale).float()


def to_device(x: Any, device: torch.device) -> Any:
    """The tensor on the device. Copies to a GPU are asynchronous, from pinned memory."""
    if x.device.type == device.type:
        return x
    return (x.pin_memory() if device.type == "cuda" else x).to(device, non_blocking=True)
