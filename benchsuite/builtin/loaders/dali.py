"""``dali``: NVIDIA DALI decodes JPEG files and resizes, on the CPU; ``dali:gpu`` on a CUDA device. Other pixels."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from benchsuite import (
    BadParameter,
    DataError,
    Loader,
    Sample,
    Split,
    View,
    expected,
    first_line,
    hookimpl,
    refuse_large,
    resized_shape,
)
from benchsuite.builtin.loaders import _jpeg_files

T = TypeVar("T")

PACKAGE = "pip install 'benchsuite[dali]', or nvidia-dali-cuda130 for CUDA 13"
FILTERS = ("nearest", "bilinear", "bicubic", "lanczos")


def decoder(device: str | None) -> str:
    """``DALI 2.4.0``. Raises ``DataError`` if it is not installed, or for a CUDA ``device`` if there is none."""
    try:
        version = importlib.import_module("nvidia.dali").__version__
    except Exception as error:  # its libraries fail in ways of their own
        raise DataError(expected("NVIDIA DALI", "installed", first_line(error), PACKAGE)) from None
    if device is None:
        return f"DALI {version}"
    import torch

    if not torch.cuda.is_available():
        raise DataError(expected("--loader dali:gpu", "used with a CUDA device", "none", "dali needs none"))
    return f"DALI {version}, {torch.cuda.get_device_name(device)}"


def resized(view: View, *, device: str | None) -> Any:
    """The ``images`` of a loader at the resize of a view, on a CUDA ``device`` or the CPU.

    Raises ``BadParameter`` for a filter that DALI lacks.
    """
    if view.interpolation not in FILTERS:
        rule = f"one of DALI's: {', '.join(FILTERS)}"
        raise BadParameter(expected("the interpolation with --loader dali", rule, view.interpolation))

    def check_size(height: int, width: int) -> None:
        refuse_large((height, width), resized_shape(height, width, view))

    def images(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
        from benchsuite.builtin.loaders._dali_pipelines import Decoder

        opened = partial(Decoder, view, workers, device)
        return _jpeg_files.in_batches(split, samples, then, workers, opened, check_size)

    return images


def on(device: str) -> Loader:
    """``dali:gpu`` on a CUDA device; on the first one for a run that computes elsewhere."""
    note = "NVIDIA DALI on a CUDA device: nvJPEG decodes, DALI's filters resize and round the longer side; needs DALI"
    return replace(_loader("dali:gpu", note, _jpeg_files.cuda(device)), on=on)


def _loader(name: str, note: str, device: str | None) -> Loader:
    how = partial(resized, device=device)
    return Loader(name, images=None, exact=False, note=note, resized=how, decoder=partial(decoder, device))


DALI = _loader(
    "dali",
    "NVIDIA DALI on the CPU: the reference decoder's pixels, resized by DALI's filters, which round the longer side; "
    "needs DALI",
    None,
)
DALI_GPU = on("cuda")


@hookimpl
def benchsuite_loaders() -> Iterable[Loader]:
    """``dali`` and ``dali:gpu``."""
    return [DALI, DALI_GPU]
