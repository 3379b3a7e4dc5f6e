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
    """Images as bytes, (n, s, s, 3) for each size s, and their labels (n,); on the device, or beside it."""

    sizes: Mapping[int, Any]
    labels: Any


def place(array: Any, device: str) -> Any:
    """An array for training: on the GPU where it takes at most a quarter of what is free there, else beside it."""
    made = torch.from_numpy(array)
    if not device.startswith("cuda"):
        return made.to(device)
    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return made.to(device) if made.nbytes <= free // 4 else made.pin_memory()


_BLOCK = 512


def read(split: Split, samples: Sequence[Sample], preprocess: Preprocess, size: int) -> NDArray[np.uint8]:
    """The pixels that ``1crop`` looks at, or the same view at another size. -> uint8 (n, size, size, 3) RGB.

    Images are read by as many threads as there are cores. Raises ``DataError`` for a broken image, and for more pixels
    than half of the memory holds.
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


def kept(split: Split, samples: Sequence[Sample], preprocess: Preprocess, size: int) -> NDArray[np.uint8]:
    """As ``read``, from a file in the user's cache where there is one; it is made where there is none.

    The file's name is a digest of the images' state and of the view: pictures that change are read again.
    """
    lines = (f"{s.id} {s.state}" for s in samples)
    name = keys.digest([keys.digest_lines(lines), view_data(at_size(preprocess, size)), size])[:32]
    path = cache_dir() / "pixels" / f"{split.name}-{name}.npy"
    found = _stored(path, (len(samples), size, size, 3))
    if found is None:
        found = read(split, samples, preprocess, size)
        with writing(path) as part, part.open("wb") as file:
            np.save(file, found, allow_pickle=False)
    return found


def at_size(preprocess: Preprocess, size: int) -> View:
    """The view that is trained on: that of ``1crop``, or the centre square after a resize to another size."""
    if size == preprocess.crop:
        return center(preprocess)
    return view(preprocess, size, crop=Crop(size))


def _stored(path: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """The array in a file, or None where there is none that is whole."""
    try:
        found: Any = np.load(path, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return found if found.dtype == np.uint8 and found.shape == shape else None


def _check_memory(images: int, size: int, name: str) -> None:
    try:
        limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return
    needed = images * size * size * 3
    if needed > limit:
        got = f"{images} of {size} x {size}: {needed / 2**30:.0f} GiB"
        raise DataError(
            expected("the training images", f"at most {limit / 2**30:.0f} GiB, half of the memory", got, name)
        )


def pictures(arrays: dict[int, NDArray[np.uint8]], samples: Sequence[Sample], device: str) -> TrainingImages:
    """The arrays of images and their labels, where the training finds them."""
    labels = np.array([s.label for s in samples], dtype=np.int64)
    return TrainingImages({size: place(array, device) for size, array in arrays.items()}, place(labels, device))
