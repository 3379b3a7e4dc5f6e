"""Augmentation of whole batches on their device: what happens to each image is drawn for it, and no loop visits it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from benchsuite.specs.recipe import Augmentation


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """What was drawn for a batch of n images: the window's place in the padded image, (n,) each, and who is mirrored.

    ``shift`` is (reach, down, right) for a batch that moves as one. None stands for what is not asked.
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
    """Draws for a batch. Each place of the window is as likely as any other, as in torchvision's ``RandomCrop``."""
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

    Padding is black; the second value, bool (n, s, s, 1), is None without it. Each image is cut from its padded copy
    first and mirrored then; the padded copy is never made.
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
    cut = x.reshape(-1, 3).index_select(0, places.flatten()).view_as(x)
    if draws.top is None:
        return cut, None
    outside = ((rows < 0) | (rows >= size))[:, :, None] | ((columns < 0) | (columns >= size))[:, None, :]
    outside = outside[..., None]
    return cut.masked_fill_(outside, 0), outside


def _shifted(x: Any, reach: int, down: int, right: int) -> Any:
    """A batch moved by up to ``reach`` pixels each way; the border is repeated. (n, s, s, 3) -> the same shape."""
    size = x.shape[1]
    along = torch.arange(size, device=x.device)
    rows, columns = ((along + move - reach).clamp(0, size - 1) for move in (down, right))
    return x.index_select(1, rows).index_select(2, columns)
