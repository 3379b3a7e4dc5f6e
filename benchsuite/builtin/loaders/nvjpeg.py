"""``nvjpeg``: NVIDIA's decoder on a CUDA device, by torchcodec or torchvision. Other pixels; Pillow resizes them."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from benchsuite import DataError, Loader, Sample, Split, expected, hookimpl
from benchsuite.builtin.loaders import _jpeg_files

T = TypeVar("T")

PLACES = (("torchcodec", "torchcodec.decoders"), ("torchvision", "torchvision.io"))
"""Packages with a function ``decode_jpeg``: torchcodec since 0.16, torchvision where it is not removed yet."""


def function() -> tuple[str, Callable[..., Any]]:
    """The package that decodes, with its version, and its function. Raises ``DataError`` if there is none."""
    for package, module in PLACES:
        with suppress(Exception):  # torchcodec without FFmpeg fails in ways of its own, and names may be gone
            found = importlib.import_module(module).decode_jpeg
            return f"{package} {importlib.import_module(package).__version__}", found
    remedy = "pip install 'torchcodec>=0.16'"
    raise DataError(expected("--loader nvjpeg", "used with torchcodec or torchvision", "neither", remedy))


def decoder(device: str) -> str:
    """``nvJPEG by torchcodec 0.17.0, NVIDIA H200``. Raises ``DataError`` without a CUDA device or a package."""
    import torch

    if not torch.cuda.is_available():
        raise DataError(expected("--loader nvjpeg", "used with a CUDA device", "none"))
    return f"nvJPEG by {function()[0]}, {torch.cuda.get_device_name(device)}"


def decode(items: Sequence[Any], device: str) -> list[Any]:
    """Images, uint8 (h, w, 3), of JPEG files (bytes), in order, decoded on a device; arrays are unchanged."""
    import torch

    files = [i for i, item in enumerate(items) if isinstance(item, bytes)]
    images = list(items)
    if files:
        tensors = [torch.frombuffer(bytearray(items[i]), dtype=torch.uint8) for i in files]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torchvision says since 0.29 that torchcodec follows
            decoded = function()[1](tensors, mode="RGB", device=device)
        for i, image in zip(files, decoded, strict=True):
            images[i] = image.permute(1, 2, 0).contiguous().cpu().numpy()
    return images


def images(
    split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int, *, device: str
) -> Iterator[T]:
    """Yields ``then(pixels, seconds)`` of every sample, in order."""
    return _jpeg_files.in_batches(split, samples, then, workers, lambda: partial(decode, device=device))


def on(device: str) -> Loader:
    """The loader that decodes on a CUDA device; on the first one for a run that computes elsewhere."""
    device = _jpeg_files.cuda(device)
    return Loader(
        "nvjpeg",
        images=partial(images, device=device),
        exact=False,
        note="nvJPEG decodes JPEG files on a CUDA device, by torchcodec or torchvision; the resize is the reference's",
        decoder=partial(decoder, device),
        on=on,
    )


NVJPEG = on("cuda")


@hookimpl
def benchsuite_loaders() -> Iterable[Loader]:
    """``nvjpeg``."""
    return [NVJPEG]
