"""``dali``: NVIDIA DALI decodes JPEG files and resizes, on the CPU; ``dali:gpu`` on a CUDA device. Other pixels."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from benchsuite import BadParameter, DataError, Loader, Sample, Split, TooLarge, View, expected, first_line, hookimpl
from benchsuite.builtin.loaders import _jpeg_files

T = TypeVar("T")

PACKAGE = "pip install 'benchsuite[dali]', or nvidia-dali-cuda130 for CUDA 13"
FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")


def decoder(*, gpu: bool) -> str:
    """``DALI 2.4.0``. Raises ``DataError`` if it is not installed, or if there is no CUDA device for ``gpu``."""
    try:
        version = importlib.import_module("nvidia.dali").__version__
    except Exception as error:  # its libraries fail in ways of their own
        raise DataError(expected("NVIDIA DALI", "installed", first_line(error), PACKAGE)) from None
    if not gpu:
        return f"DALI {version}"
    import torch

    if not torch.cuda.is_available():
        raise DataError(expected("--loader dali:gpu", "used with a CUDA device", "none", "dali needs none"))
    return f"DALI {version}, {torch.cuda.get_device_name()}"


def resized(view: View, *, gpu: bool) -> Any:
    """The ``images`` of a loader at the resize of a view. Raises ``BadParameter`` for a filter that DALI lacks."""
    if view.interpolation not in FILTERS:
        rule = f"one of DALI's: {', '.join(FILTERS)}"
        raise BadParameter(expected("the interpolation with --loader dali", rule, view.interpolation))

    def images(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
        from benchsuite.builtin.loaders._dali_pipelines import Decoder

        opened = partial(Decoder, view, workers, gpu=gpu)
        return _jpeg_files.in_batches(split, samples, then, workers, opened, partial(_check_size, view))

    return images


def _check_size(view: View, height: int, width: int) -> None:
    """Raises ``TooLarge`` for an image that the resize would make as large as the reference decoder refuses."""
    from PIL import Image

    limit, resize = Image.MAX_IMAGE_PIXELS, view.resize
    if isinstance(resize, int):
        resize = resize, resize * max(height, width) // min(height, width)
    pixels = resize[0] * resize[1]
    if limit is not None and pixels > limit:
        got = f"{width} x {height} resized to {pixels} pixels"
        raise TooLarge(expected("an image", f"of at most {limit} pixels after its resize", got))


def _loader(name: str, note: str, *, gpu: bool) -> Loader:
    how = partial(resized, gpu=gpu)
    return Loader(name, images=None, exact=False, note=note, resized=how, decoder=partial(decoder, gpu=gpu))


DALI = _loader(
    "dali",
    "NVIDIA DALI on the CPU: the reference decoder's pixels, resized by DALI's filters, which round the longer side; "
    "needs DALI",
    gpu=False,
)
DALI_GPU = _loader(
    "dali:gpu",
    "NVIDIA DALI on a CUDA device: nvJPEG decodes, DALI's filters resize and round the longer side; needs DALI",
    gpu=True,
)


@hookimpl
def benchsuite_loaders() -> Iterable[Loader]:
    """``dali`` and ``dali:gpu``."""
    return [DALI, DALI_GPU]
