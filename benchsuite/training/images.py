"""Training images in memory, decoded once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchsuite.data import resize
from benchsuite.data.prefetch import half_of_memory
from benchsuite.errors import DataError, expected
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.preprocess import Preprocess, center, view
from benchsuite.specs.view import Crop, View, resized_shape, view_data
from benchsuite.storage import keys
from benchsuite.storage.files import cache_dir, writing

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class TrainingImages:
    """Images, uint8 (n, s, s, 3) for each size s, and labels, int64 (n,); on the device or in host memory.

    ``samples`` are needed only where images are perturbed.
    """

    sizes: Mapping[int, Any]
    labels: Any
    samples: tuple[Sample, ...] = ()


def place(array: Any, device: str) -> Any:
    """The array as a tensor on the device; in pinned host memory if it is over a quarter of the GPU's free memory."""
    tensor = torch.from_numpy(array)
    if not device.startswith("cuda"):
        return tensor.to(device)
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return tensor.to(device) if tensor.nbytes <= free // 4 else tensor.pin_memory()


_BLOCK = 512


def read(split: Split, samples: Sequence[Sample], preprocess: Preprocess, size: int) -> NDArray[np.uint8]:
    """The pixels of the view of ``1crop``, or of the one at another size: uint8 (n, size, size, 3) RGB.

    One thread per core reads the images. Raises ``DataError`` for a broken image, and if the pixels take more than half
    of the memory.
    """
    how = at_size(preprocess, size)
    _check_memory(len(samples), size, split.name)
    pixels = np.empty((len(samples), size, size, 3), dtype=np.uint8)

    def fill(start: int) -> None:
        for i in range(start, min(start + _BLOCK, len(samples))):
            image = split.read(samples[i])
            whole = resize.resize(image, *resized_shape(*resize.size(image), how), how)
            pixels[i] = resize.cut(whole, how)

    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="benchsuite-pixels") as pool:
        for _ in pool.map(fill, range(0, len(samples), _BLOCK)):
            pass
    return pixels


def cached_pixels(split: Split, samples: Sequence[Sample], preprocess: Preprocess, size: int) -> NDArray[np.uint8]:
    """As ``read``, but from a file in the user's cache, which is written if it does not exist or is damaged.

    The file's name is a digest of the samples' ids and states and of the view, so changed images are read again.
    """
    lines = (f"{s.id} {s.state}" for s in samples)
    name = keys.digest([keys.digest_lines(lines), view_data(at_size(preprocess, size)), size])[:32]
    path = cache_dir() / "pixels" / f"{split.name}-{name}.npy"
    pixels = _stored(path, (len(samples), size, size, 3))
    if pixels is None:
        pixels = read(split, samples, preprocess, size)
        with writing(path) as part, part.open("wb") as file:
            np.save(file, pixels, allow_pickle=False)
    return pixels


def at_size(preprocess: Preprocess, size: int) -> View:
    """The view for training: that of ``1crop``, or for another size the centre square after a resize to that size."""
    if size == preprocess.crop:
        return center(preprocess)
    return view(preprocess, size, crop=Crop(size))


def _stored(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The array in a file; None if the file does not exist, is damaged or has another shape."""
    try:
        array: Any = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return array if array.dtype == np.uint8 and array.shape == shape else None


def _check_memory(images: int, size: int, name: str) -> None:
    limit, needed = half_of_memory(), images * size * size * 3
    if limit is not None and needed > limit:
        got = f"{images} of {size} x {size}: {needed / 2**30:.0f} GiB"
        raise DataError(
            expected("the training images", f"at most {limit / 2**30:.0f} GiB, half of the memory", got, name)
        )


def training_images(arrays: dict[int, NDArray[np.uint8]], samples: Sequence[Sample], device: str) -> TrainingImages:
    """The arrays of images by size and the samples' labels, each where ``place`` puts it."""
    labels = np.array([s.label for s in samples], dtype=np.int64)
    placed = {size: place(array, device) for size, array in arrays.items()}
    return TrainingImages(placed, place(labels, device), tuple(samples))
