"""Decodes and resizes by NVIDIA DALI: one pipeline for JPEG files, one for images that are decoded already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from nvidia.dali import Pipeline, fn, types

from benchsuite import BenchsuiteError, View, expected
from benchsuite.builtin.loaders._jpeg_files import BATCH

FILTERS = {
    "nearest": types.INTERP_NN,
    "bilinear": types.INTERP_LINEAR,
    "bicubic": types.INTERP_CUBIC,
    "lanczos": types.INTERP_LANCZOS3,
}
"""With ``antialias``, ``INTERP_LINEAR`` is DALI's triangular filter."""


class Decoder:
    """A ``Decode`` with pipelines of its own, built when they are needed. On a CUDA ``device``, nvJPEG decodes."""

    def __init__(self, view: View, threads: int, device: str | None) -> None:
        self.view, self.threads, self.device = view, max(1, threads), device
        self.pipelines: dict[bool, Any] = {}

    def __call__(self, items: Sequence[Any]) -> list[Any]:
        """Images, uint8 (h, w, 3), of files (bytes) and arrays, in order. Raises the errors of DALI.

        Raises ``BenchsuiteError`` if it returns others than it was given: each goes with its number.
        """
        images: list[Any] = [None] * len(items)
        for files in (True, False):
            numbers = [i for i, item in enumerate(items) if isinstance(item, bytes) == files]
            if numbers:
                for number, image in zip(numbers, self._run(files, numbers, items), strict=True):
                    images[number] = image
        return images

    def _run(self, files: bool, numbers: Sequence[int], items: Sequence[Any]) -> list[Any]:
        if files not in self.pipelines:
            self.pipelines[files] = self._built(files)
        pipeline = self.pipelines[files]
        pipeline.feed_input("images", [np.frombuffer(items[i], np.uint8) if files else items[i] for i in numbers])
        pipeline.feed_input("numbers", [np.array(i, np.int64) for i in numbers])
        resized, returned = pipeline.run()
        resized = resized.as_cpu() if self.device else resized
        got = [int(np.array(returned.at(i))) for i in range(len(returned))]
        if got != [*numbers]:
            rule, wrong = f"those of {[*numbers]}", f"{got}: no number is printed"
            raise BenchsuiteError(expected("the images of DALI", rule, wrong))
        return [np.array(resized.at(i)) for i in range(len(resized))]

    def _built(self, files: bool) -> Any:
        """The pipeline for batches of any size up to ``BATCH``: nothing is padded, repeated or shuffled."""
        pipeline = Pipeline(BATCH, self.threads, self._number(), prefetch_queue_depth=1)
        with pipeline:
            number = fn.external_source(name="numbers", dtype=types.INT64, ndim=0)
            if files:
                content = fn.external_source(name="images", dtype=types.UINT8, ndim=1)
                device = "mixed" if self.device else "cpu"
                image = fn.decoders.image(content, device=device, output_type=types.RGB, adjust_orientation=False)
            else:
                image = fn.external_source(name="images", dtype=types.UINT8, ndim=3, layout="HWC")
                image = image.gpu() if self.device else image
            pipeline.set_outputs(fn.resize(image, **self._resize()), number)
        pipeline.build()
        return pipeline

    def _resize(self) -> dict[str, Any]:
        resize = self.view.resize
        size = {"size": list(resize)} if isinstance(resize, tuple) else {"resize_shorter": resize}
        return {"interp_type": FILTERS[self.view.interpolation], "antialias": self.view.antialias, **size}

    def _number(self) -> int | None:
        """The number of the CUDA device; None for the CPU."""
        if self.device is None:
            return None
        import torch

        number: int | None = torch.device(self.device).index
        return int(torch.cuda.current_device()) if number is None else number
