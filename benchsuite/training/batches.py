"""Batches for training: the order of an epoch, augmentation, the copy to the device."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch

from benchsuite.distributed.process_group import Group
from benchsuite.models.input_normalization import InputNormalization
from benchsuite.models.perturbed_batch import Logits, PerturbedBatch
from benchsuite.specs.recipe import Augmentation, Recipe
from benchsuite.training import schedules
from benchsuite.training.images import TrainingImages
from benchsuite.training.pixels.mixup import Targets, draw_mix, mixed
from benchsuite.training.pixels.perturbing import perturbed_input


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
        columns = torch.where(to_device(draws.flip, device)[:, None], size - 1 - along, along)
    if draws.top is not None:
        rows = along + (to_device(draws.top, device) - augmentation.pad)[:, None]
        columns = columns + (to_device(draws.left, device) - augmentation.pad)[:, None]
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
    """This process's part of a batch: ``x`` float32 (n, 3, s, s), their ``targets``, and the images of all parts."""

    x: Any
    targets: Targets
    whole: int


@dataclass(frozen=True, slots=True)
class Moment:
    """What a batch depends on beside its images: which pass over the images this is, from 1, and the network's logits.

    They are used only where the recipe's perturbation draws random numbers or needs the gradient.
    """

    number: int = 1
    logits: Logits | None = None


class Feed:
    """Makes the batches of a recipe. ``sizes`` are all sizes of its images; each epoch has a new random order, of
    ``per_epoch`` images.

    Draws are made for the whole batch, so they do not depend on the number of processes that share it.
    """

    def __init__(self, pictures: TrainingImages, recipe: Recipe, device: str, group: Group) -> None:
        self.pictures, self.recipe, self.group = pictures, recipe, group
        self.device = torch.device(device)
        self.sizes = schedules.sizes(recipe)
        self.batch_size = min(recipe.batch_size, len(pictures.labels))
        self.per_epoch = len(pictures.labels) * recipe.passes
        self.generator = torch.Generator().manual_seed(recipe.seed)
        self.inputs = InputNormalization(recipe.preprocess, self.device)

    def state(self) -> Any:
        """The state of the generator that draws orders and augmentation: a uint8 tensor."""
        return self.generator.get_state()

    def restore(self, state: Any) -> None:
        """Goes back to a ``state``."""
        self.generator.set_state(state)

    def order(self) -> Any:
        """A random order of the images for an epoch, one for each pass: (``per_epoch``,) indices."""
        images = len(self.pictures.labels)
        return torch.cat([torch.randperm(images, generator=self.generator) for _ in range(self.recipe.passes)])

    def batch(self, chosen: Any, size: int, moment: Moment = Moment()) -> Batch:
        """The images with these indices, at one of the ``sizes``.

        Every process gets all images of a batch that has fewer images than there are processes. For mixup, every
        process makes the whole batch, as a partner may be in the part of another process.
        """
        whole, alpha = len(chosen), self.recipe.mixup
        draws = draw(self.recipe.augmentation, whole, self.pictures.sizes[size].shape[1], self.generator)
        part = self.group.share(whole)
        if whole < self.group.size:
            part, whole = slice(None), whole * self.group.size
        if alpha is None:
            chosen = chosen[part]
            return Batch(self._input(chosen, size, draws.part(part), moment), Targets(self._labels(chosen)), whole)
        drawn = draw_mix(alpha, len(chosen), self.generator)
        mix = replace(drawn, partners=to_device(drawn.partners, self.device))
        x, y = mixed(self._input(chosen, size, draws, moment), mix), self._labels(chosen)
        partner = y.index_select(0, mix.partners)
        return Batch(x[part], Targets(y[part], partner[part], mix.share), whole)

    def _labels(self, chosen: Any) -> Any:
        """The labels of these images, (n,) int64, on the device."""
        labels = self.pictures.labels
        return to_device(labels.index_select(0, to_device(chosen, labels.device)), self.device)

    def _input(self, chosen: Any, size: int, draws: Draws, moment: Moment) -> Any:
        """These images, augmented and perturbed, as the network's input: float32 (n, 3, s, s)."""
        pixels, recipe = self.pictures.sizes[size], self.recipe
        x, padding = batch(pixels, to_device(chosen, pixels.device), recipe.augmentation, draws)
        x = to_device(x, self.device)
        filled = padding is not None and recipe.augmentation.fill == "mean"
        padding = to_device(padding, self.device) if filled else None
        if recipe.perturbation is not None:
            samples = [self.pictures.samples[i] for i in chosen.tolist()]
            turn = f"seed {recipe.seed} pass {moment.number} "
            known = PerturbedBatch(samples, self.device, moment.logits, turn)
            return perturbed_input(x, self.inputs, recipe.perturbation, known, padding)
        x = self.inputs(x)
        if padding is not None:
            x.masked_fill_(padding.permute(0, 3, 1, 2), 0.0)
        return x

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
    """The tensor on the device. Copies to a GPU are asynchronous, from pinned memory.

    Else the host would wait for the steps before, and the GPU would then wait for the host.
    """
    if x.device.type == device.type:
        return x
    return (x.pin_memory() if device.type == "cuda" else x).to(device, non_blocking=True)
