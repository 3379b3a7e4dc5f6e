"""Tests of views that are made on a device: the host's batches to the last bit, its memory bounds, and its ways out."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from benchsuite import Crop, TooLarge, View, five
from benchsuite.evaluation.input_pipeline import Batch, Piece, batches, cutter
from benchsuite.models.resize import device_views
from benchsuite.models.resize.device_views import DeviceCut, DeviceViews
from benchsuite.models.transfer import transfer

CPU = torch.device("cpu")
VIEWS = (
    *(View(20, crop, flip=flip) for flip in (False, True) for crop in five(16)),
    View(20, Crop(16), interpolation="lanczos"),
    View(20, Crop(16), antialias=False),
    View(20, Crop(16), interpolation="nearest", antialias=False),
    View((24, 18), Crop(16, shift=(3, -2))),
    View(20, Crop(24), pad=6, border="reflect"),
    View(20, Crop(24, "bottom-left"), pad=6, flip=True),
    View(31, dense=True, nominal=16),
    View(31, dense=True, nominal=16, flip=True, interpolation="bicubic"),
)


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng([seed, height, width]).integers(0, 256, (height, width, 3), dtype=np.uint8)


def made(
    images: Sequence[Any], views: tuple[View, ...], resizer: DeviceViews | None, size: int = 8
) -> Iterator[tuple[list[tuple[int, int]], Any]]:
    """The batches of these images: which pieces they have, and their pixels."""
    then = cutter(views, nullcontext(), resizer)
    pieces = [Piece(i, v, p) for i, image in enumerate(images) for v, p in enumerate(then(image, 0.0).pixels)]
    for batch in batches(pieces, views, size):
        yield [(p.sample, p.view) for p in batch], Batch(batch).stacked(resizer=resizer)


def resizer() -> DeviceViews:
    return DeviceViews(transfer(CPU))


def assert_same(images: Sequence[Any], views: tuple[View, ...], there: DeviceViews, size: int = 8) -> list[type]:
    """The types of the device's batches, which are those of the host."""
    types = []
    for (host, wanted), (device, found) in zip(
        made(images, views, None, size), made(images, views, there, size), strict=True
    ):
        assert host == device
        np.testing.assert_array_equal(wanted, np.asarray(found))
        types.append(type(found))
    return types


SIDE = st.integers(1, 70)


@settings(max_examples=60)
@given(
    st.lists(st.tuples(SIDE, SIDE, st.booleans()), min_size=1, max_size=5),
    st.sets(st.sampled_from(VIEWS), min_size=1, max_size=6),
    st.integers(1, 9),
)
def test_batches_are_those_of_the_host(sizes: list[tuple[int, int, bool]], chosen: set[View], size: int) -> None:
    images = [Image.fromarray(noise(h, w, i)) if decoded else noise(h, w, i) for i, (h, w, decoded) in enumerate(sizes)]
    assert_same(images, tuple(v for v in VIEWS if v in chosen), resizer(), size)


def test_images_of_one_size_are_resized_together_and_in_parts_if_they_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    right = device_views.resized
    monkeypatch.setattr(device_views, "resized", lambda x, *how: (counts.append(len(x)), right(x, *how))[1])
    images = [noise(30, 40, i) for i in range(5)]
    assert_same(images, (View(20, Crop(16)),), resizer(), size=5)
    assert counts == [5]
    monkeypatch.setattr(device_views, "TOGETHER", 2 * 30 * 40 * 3)
    assert_same(images, (View(20, Crop(16)),), resizer(), size=5)
    assert counts == [5, 2, 2, 1]


def test_an_image_goes_up_once_whatever_the_number_of_its_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[int] = []
    right = torch.Tensor.to

    def counted(tensor: Any, *where: Any, **how: Any) -> Any:
        if tensor.dtype == torch.uint8 and tensor.shape == (30, 40, 3):
            sent.append(tensor.data_ptr())
        return right(tensor, *where, **how)

    monkeypatch.setattr(torch.Tensor, "to", counted)
    list(made([Image.fromarray(noise(30, 40))], VIEWS, resizer(), size=1))
    assert len(set(sent)) == 1


def test_the_host_keeps_an_image_of_which_less_is_seen_than_would_go_up() -> None:
    there, image = resizer(), Image.fromarray(noise(20, 30))
    crops = tuple(View(20, crop) for crop in five(16))
    assert {*assert_same([image], crops[:2], there)} == {np.ndarray}
    assert {*assert_same([image], crops, there)} == {torch.Tensor}  # 5 * 16 * 16 pixels are more than 20 * 30
    assert {*assert_same([image], (View(16, Crop(16)),), there)} == {torch.Tensor}  # to be resized
    assert (there.on_device, there.on_host) == (2, 0)


def test_in_a_process_of_a_loader_the_host_resizes(monkeypatch: pytest.MonkeyPatch) -> None:
    there = resizer()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert {*assert_same([noise(30, 40)], VIEWS, there)} == {np.ndarray}


def test_a_large_result_is_refused_as_on_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    said = []
    for there in (None, resizer()):
        with pytest.raises(TooLarge) as error:
            list(made([noise(2, 40)], (View(20, Crop(16)),), there))
        said.append(str(error.value))
    assert said[0] == said[1]


def test_no_more_bytes_wait_than_may_and_they_are_free_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_views, "HELD", 2 * 3 * 30 * 40)
    there, images = resizer(), [noise(30, 40, i) for i in range(5)]
    then = cutter((View(20, Crop(16)),), nullcontext(), there)
    waiting = [then(image, 0.0).pixels[0] for image in images]
    assert [type(one) for one in waiting] == [DeviceCut] * 2 + [np.ndarray] * 3
    assert (there.on_device, there.on_host) == (2, 3)
    waiting.pop(0)
    gc.collect()
    assert isinstance(then(images[0], 0.0).pixels[0], DeviceCut)


def test_the_bound_is_a_part_of_a_small_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: SimpleNamespace(total_memory=2**32))
    assert device_views._limit(torch.device("cuda")) == 2**29
    assert device_views._limit(CPU) == device_views.HELD


def test_without_memory_on_the_device_the_host_makes_the_same_pixels_and_all_later_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there, images = resizer(), [noise(30 + i, 40, i) for i in range(3)]
    wanted = [pixels for _, pixels in made(images, VIEWS, None)]
    batches_there = made(images, VIEWS, there)
    first = next(batches_there)[1]
    assert isinstance(first, torch.Tensor)
    np.testing.assert_array_equal(first.numpy(), wanted[0])

    def full(*_: Any) -> Any:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(device_views, "resized", full)
    for found, pixels in zip((found for _, found in batches_there), wanted[1:], strict=True):
        np.testing.assert_array_equal(np.asarray(found), pixels)
    assert "no memory left" in there.refused
    assert {*assert_same(images, VIEWS, there)} == {np.ndarray}


def test_an_image_that_comes_back_from_the_device_is_read_in_the_stream_that_brought_it_there(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another stream may read it before it has arrived."""
    there, entered, read = resizer(), list[str](), list[bool]()

    @contextmanager
    def preparing() -> Iterator[None]:
        entered.append("upload stream")
        yield
        entered.pop()

    def full(*_: Any) -> Any:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(there.transfer, "preparing", preparing)
    monkeypatch.setattr(device_views, "resized", full)
    right = device_views.DeviceImage.on_host
    monkeypatch.setattr(device_views.DeviceImage, "on_host", lambda self: (read.append(bool(entered)), right(self))[1])
    assert_same([noise(30, 40)], (View(20, Crop(16)),), there)
    assert read == [True]


def test_another_error_of_the_device_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("illegal instruction")

    monkeypatch.setattr(device_views, "resized", broken)
    with pytest.raises(RuntimeError, match="illegal instruction"):
        list(made([noise(30, 40)], (View(20, Crop(16)),), resizer()))


def test_a_device_with_other_bits_than_pillow_resizes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_views, "difference", lambda device: "other bits")
    there = resizer()
    assert {*assert_same([noise(30, 40)], VIEWS, there)} == {np.ndarray}
    assert (there.on_device, there.on_host, there.refused) == (0, 1, "other bits")


@pytest.mark.parametrize("enough", [True, False])
def test_an_image_waits_in_pinned_memory_of_the_device_while_there_is_any(
    monkeypatch: pytest.MonkeyPatch, enough: bool
) -> None:
    told: list[str] = []

    @contextmanager
    def chosen() -> Iterator[None]:
        told.append("chosen")
        yield
        told.append("left")

    def empty(shape: Any, *, dtype: Any, pin_memory: bool) -> Any:
        told.append(f"pinned: {pin_memory}")
        if not enough:
            raise RuntimeError("CUDA error: out of memory")
        return torch.zeros(shape, dtype=dtype)

    monkeypatch.setattr(torch, "empty", empty)
    pixels = noise(4, 6)
    pixels.flags.writeable = False  # as those of a mapped file
    waiting = device_views._waiting(pixels, SimpleNamespace(device=torch.device("cuda"), chosen=chosen))
    np.testing.assert_array_equal(waiting.numpy(), pixels)
    assert told == ["chosen", "pinned: True", *["left"] * enough]
