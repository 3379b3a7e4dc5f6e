"""Tests of normalising bytes, bit for bit equal to torchvision's ToTensor and Normalize."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torchvision.transforms import functional

from benchsuite import Preprocess
from benchsuite.models.input_normalization import InputNormalization

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def made(pixels: Any, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD, **fields: Any) -> Any:
    inputs = InputNormalization(Preprocess(8, 8, "bilinear", mean, std, **fields), "cpu")
    return inputs(torch.from_numpy(pixels))


def every_value() -> Any:
    """Two images that hold every value in every channel."""
    return np.arange(512).astype(np.uint8).reshape(2, 16, 16, 1).repeat(3, axis=3)


def noise(n: int, height: int, width: int, channels: int) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, height, width, channels), dtype=np.uint8)


def test_every_value_is_that_of_torchvision() -> None:
    pixels = every_value()
    wanted = torch.stack([functional.normalize(functional.to_tensor(p), MEAN, STD) for p in pixels])
    found = made(pixels)
    assert found.dtype == torch.float32
    assert torch.equal(found, wanted)


def test_every_quotient_by_255_is_that_of_to_tensor() -> None:
    wanted = torch.stack([functional.to_tensor(p) for p in every_value()])
    found = made(every_value(), (0.0,), (1.0,))
    assert len(wanted.unique()) == 256
    assert torch.equal(found, wanted)


def test_pixels_are_divided_by_tensors_of_their_device() -> None:
    """CUDA multiplies by the reciprocal of a Python number, which changes the last bit of half of the quotients."""
    divisors: list[Any] = []

    class Watched(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            if func.overloadpacket in (torch.ops.aten.div, torch.ops.aten.div_):
                divisors.append(args[1])
            return func(*args, **(kwargs or {}))

    inputs = InputNormalization(Preprocess(8, 8, "bilinear", MEAN, STD), "meta")
    with Watched():
        inputs(torch.from_numpy(every_value()).to("meta"))
    assert [getattr(d, "device", torch.device("cpu")).type for d in divisors] == ["meta", "meta"]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (5, 4)])
@pytest.mark.parametrize("n", [1, 2])
def test_images_of_any_shape_are_normalised_channel_by_channel(channels: int, shape: tuple[int, int], n: int) -> None:
    pixels, mean, std = noise(n, *shape, channels), MEAN[:channels], STD[:channels]
    found = made(pixels, mean, std)
    assert torch.equal(found, functional.normalize(torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255, mean, std))
    assert found.is_contiguous(memory_format=torch.channels_last)


def test_mirrored_pixels_may_lie_in_any_order() -> None:
    pixels = torch.from_numpy(noise(2, 5, 4, 3))
    inputs = InputNormalization(Preprocess(8, 8, "bilinear", MEAN, STD), "cpu")
    assert torch.equal(inputs(pixels.transpose(1, 2)), inputs(pixels.transpose(1, 2).contiguous()))
    assert torch.equal(inputs(pixels.flip(2)), inputs(pixels).flip(3))


def test_one_mean_is_for_every_channel() -> None:
    pixels = every_value()
    assert torch.equal(made(pixels, (0.5,), (0.25,)), made(pixels, (0.5,) * 3, (0.25,) * 3))


def test_bgr_reverses_the_channels_before_they_are_normalised() -> None:
    pixels = noise(2, 5, 4, 3)
    assert torch.equal(made(pixels, channel_order="BGR"), made(pixels[..., ::-1].copy()))


def test_range_255_keeps_whole_numbers_as_caffe_does() -> None:
    pixels, mean = every_value(), (104.0, 117.0, 123.0)
    found = made(pixels, mean, (1.0, 1.0, 1.0), range=255.0)
    assert np.array_equal(found.numpy(), pixels.transpose(0, 3, 1, 2) - np.float32(mean).reshape(3, 1, 1))


def test_the_pixels_stay_as_they_are() -> None:
    pixels = every_value()
    made(pixels)
    assert np.array_equal(pixels, every_value())


@pytest.mark.parametrize("order", ["RGB", "BGR"])
@pytest.mark.parametrize("largest", [1.0, 2.0, 255.0])
def test_pixels_that_pass_through_0_to_1_are_normalised_to_the_same_numbers(order: Any, largest: float) -> None:
    mean, std = tuple(largest * m for m in MEAN), tuple(largest * s for s in STD)
    preprocess = Preprocess(8, 8, "bilinear", mean, std, channel_order=order, range=largest)
    inputs = InputNormalization(preprocess, "cpu")
    for pixels in (every_value(), noise(3, 5, 7, 3)):
        wanted, unit = inputs(torch.from_numpy(pixels)), inputs.unit(torch.from_numpy(pixels))
        kept = unit.clone()
        assert 0 <= unit.min() <= unit.max() <= 1
        assert torch.equal(unit[0].permute(1, 2, 0), torch.from_numpy(pixels[0]) / 255), (
            "RGB, whatever the network takes"
        )
        with torch.no_grad():
            fast, of_plain_layout = inputs.of_unit(unit), inputs.of_unit(unit.contiguous())
        slow = inputs.of_unit(unit.clone().requires_grad_(True))
        assert slow.requires_grad
        assert torch.equal(fast, slow.detach())
        assert torch.equal(fast, of_plain_layout)
        assert torch.equal(unit, kept)
        assert fast.is_contiguous(memory_format=torch.channels_last)
        if largest == 255:  # the others are not divided by 255 and multiplied again
            torch.testing.assert_close(fast, wanted, rtol=1e-5, atol=1e-4)
        else:
            assert torch.equal(fast, wanted)


def test_the_gradient_of_pixels_in_0_to_1_is_that_of_the_normalisation() -> None:
    inputs = InputNormalization(Preprocess(8, 8, "bilinear", MEAN, STD, channel_order="BGR", range=255.0), "cpu")
    x = torch.rand(2, 3, 4, 4, requires_grad=True)
    inputs.of_unit(x).sum().backward()
    assert x.grad is not None
    for channel in range(3):
        torch.testing.assert_close(x.grad[:, channel], torch.full((2, 4, 4), 255 / STD[2 - channel]))
