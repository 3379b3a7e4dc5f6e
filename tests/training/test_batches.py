"""Augmentation of whole batches, compared with torchvision's of one image at a time."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
import torch
import torchvision.transforms.v2.functional as T
import toy_training
from PIL import Image
from scipy import stats
from torch.overrides import TorchFunctionMode

from benchsuite import Augmentation
from benchsuite.distributed.process_group import Group
from benchsuite.training.batches import Draws, Feed, batch, draw
from benchsuite.training.images import TrainingImages

SIDE = 32
PIXELS = torch.from_numpy(np.random.default_rng(5).integers(0, 256, (40, SIDE, SIDE, 3), dtype=np.uint8))


def by_torchvision(image: np.ndarray, pad: int, top: int, left: int, flip: bool) -> np.ndarray:
    """What ``RandomCrop(size, padding=pad)`` and ``RandomHorizontalFlip`` do with these random draws."""
    picture = Image.fromarray(image)
    if pad:
        picture = T.crop(T.pad(picture, [pad]), top, left, image.shape[0], image.shape[1])
    return np.asarray(T.hflip(picture) if flip else picture)


@pytest.mark.parametrize("pad", [0, 1, 4, 40])
@pytest.mark.parametrize("flip", [False, True])
def test_a_batch_is_what_torchvision_makes_of_each_image(pad: int, flip: bool) -> None:
    augmentation = Augmentation(pad=pad, flip=flip)
    chosen = torch.tensor([3, 39, 0, 7, 7, 21, 12, 30])
    draws = draw(augmentation, len(chosen), SIDE, torch.Generator().manual_seed(pad))
    augmented, outside = batch(PIXELS, chosen, augmentation, draws)
    for i, index in enumerate(chosen.tolist()):
        top, left = (int(d[i]) if d is not None else 0 for d in (draws.top, draws.left))
        mirrored = draws.flip is not None and bool(draws.flip[i])
        assert np.array_equal(augmented[i].numpy(), by_torchvision(PIXELS[index].numpy(), pad, top, left, mirrored))
        if pad:
            white = by_torchvision(np.full((SIDE, SIDE, 3), 255, np.uint8), pad, top, left, mirrored)
            assert np.array_equal(outside[i, :, :, 0].numpy(), white[:, :, 0] == 0)
    assert (outside is None) == (pad == 0)


def test_no_augmentation_is_the_images_themselves() -> None:
    chosen = torch.tensor([5, 1])
    augmented, outside = batch(PIXELS, chosen, Augmentation(), Draws())
    assert torch.equal(augmented, PIXELS[chosen])
    assert outside is None


def test_every_place_and_every_mirror_is_as_likely_as_the_others() -> None:
    draws = draw(Augmentation(pad=4, flip=True), 81 * 400, SIDE, torch.Generator().manual_seed(0))
    places = np.bincount((9 * draws.top + draws.left).numpy(), minlength=81)
    assert len(places) == 81
    assert stats.chisquare(places).pvalue > 1e-3
    assert stats.binomtest(int(draws.flip.sum()), len(draws.flip)).pvalue > 1e-3


@pytest.mark.parametrize("side", [9, 32, 55])
def test_a_batch_that_moves_as_one_repeats_its_border(side: int) -> None:
    pixels = PIXELS[:, :side, :side] if side <= SIDE else PIXELS.repeat(1, 2, 2, 1)[:, :side, :side]
    generator = torch.Generator().manual_seed(1)
    seen = set()
    for _ in range(6):
        draws = draw(Augmentation(shift=12), 4, side, generator)
        reach, down, right = draws.shift
        assert reach == max(1, side // 12)
        augmented, _ = batch(pixels.contiguous(), torch.arange(4), Augmentation(shift=12), draws)
        padded = torch.nn.functional.pad(pixels[:4].permute(0, 3, 1, 2).float(), (reach,) * 4, mode="replicate")
        expected = padded[:, :, down : down + side, right : right + side].permute(0, 2, 3, 1)
        assert torch.equal(augmented.float(), expected)
        seen.add((down, right))
    assert len(seen) > 1


def test_a_part_of_the_draws_is_that_of_the_same_images() -> None:
    augmentation = Augmentation(pad=3, flip=True)
    draws = draw(augmentation, 10, SIDE, torch.Generator().manual_seed(2))
    whole, _ = batch(PIXELS, torch.arange(10), augmentation, draws)
    part, _ = batch(PIXELS, torch.arange(10)[1::3], augmentation, draws.part(slice(1, 10, 3)))
    assert torch.equal(part, whole[1::3])


class Copies(TorchFunctionMode):
    """Records copies from the host to the device, here ``meta``, for which the host waits."""

    def __init__(self) -> None:
        super().__init__()
        self.count, self.waited = 0, list[str]()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is torch.Tensor.to and args[0].device.type == "cpu" and result.device.type == "meta":
            self.count += 1
            if not (kwargs or {}).get("non_blocking"):
                self.waited.append(str(args[0].shape))
        return result


@pytest.mark.parametrize("mixup", [None, 0.2])
def test_a_host_that_makes_a_batch_does_not_wait_for_the_device(mixup: float | None) -> None:
    """Such a copy waits for all steps before, and the device then waits for the host."""
    augmentation = Augmentation(pad=2, flip=True)
    recipe = dataclasses.replace(toy_training.USUAL, augmentation=augmentation, mixup=mixup)
    images = TrainingImages({recipe.preprocess.crop: PIXELS.to("meta")}, torch.arange(40).to("meta"))
    feed = Feed(images, recipe, "meta", Group())
    with Copies() as copies:
        made = feed.batch(feed.order()[:8], recipe.preprocess.crop)
    assert made.x.device.type == "meta"
    assert copies.count >= 5
    assert copies.waited == []
