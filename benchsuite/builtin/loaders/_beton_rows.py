"""Reads ``.beton`` files with ffcv: any rows, in any order, each image at its own size."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from queue import Empty
from typing import Any, TypeVar

import numpy as np
from ffcv.fields.rgb_image import IMAGE_MODES
from ffcv.libffcv import imdecode, memcpy
from ffcv.loader import Loader, OrderOption
from ffcv.loader import loader as loading
from ffcv.loader.epoch_iterator import EpochIterator
from ffcv.memory_managers import OSCacheManager
from ffcv.pipeline import Compiler, PipelineSpec
from ffcv.pipeline.allocation_query import AllocationQuery
from ffcv.pipeline.operation import Operation
from ffcv.reader import Reader
from numba import types

from benchsuite import DataError, expected, in_order
from benchsuite.builtin.loaders._beton import LONGEST
from benchsuite.builtin.loaders._ffcv_installed import torch_threads_kept

T = TypeVar("T")


AHEAD = 1
"""Batches that ffcv keeps ready, beside the one that it fills and the one that is used."""

MOST, BUFFERS = 256, 2**28
"""Images in a batch, and bytes of all buffers, at most; fewer images where the largest is large, but one."""


class Stored(Operation):  # type: ignore[misc]
    """Each image's bytes at the beginning of a row as long as the largest: no resize, no crop, nothing padded."""

    def declare_state_and_memory(self, previous_state: Any) -> tuple[Any, Any]:
        """(largest,) uint8 for each image of a batch."""
        shape = (int((3 * self.metadata["width"].astype(np.int64) * self.metadata["height"]).max()),)
        return replace(previous_state, jit_mode=True, shape=shape, dtype=np.dtype("u1")), AllocationQuery(shape, "u1")

    def generate_code(self) -> Callable[..., Any]:
        """What numba compiles: copies a raw image, decodes a JPEG."""
        read, jpg = self.memory_read, IMAGE_MODES["jpg"]
        copy, decode = _compiled()

        def stored(batch: Any, destination: Any, table: Any, storage: Any) -> Any:
            for i in range(len(batch)):
                field = table[batch[i]]
                data = read(field["data_ptr"], storage)
                if field["mode"] == jpg:
                    height, width = np.uint32(field["height"]), np.uint32(field["width"])
                    destination[i][:] = 0  # else a JPEG that cannot be decoded shows the image that was there before
                    decode(data, destination[i], height, width, height, width, 0, 0, 1, 1, False, False)
                else:
                    copy(data, destination[i])
            return destination

        return stored


@cache
def _compiled() -> tuple[Any, Any]:
    """Copying and decoding, made once for all files."""
    return Compiler.compile(memcpy), Compiler.compile(imdecode)


class _Cache(OSCacheManager):  # type: ignore[misc]
    """The file in the system's page cache. ffcv's own marks a type that numba shares as read-only each time, and what
    was compiled for one file is lost when a second is opened.
    """

    def compile_reader(self) -> Any:
        """An address and the state of the cache -> the bytes of an image."""
        stored, table = types.Array(types.uint8, 1, "C", readonly=True), types.Array(types.uint64, 1, "C")

        def read(address: Any, state: Any) -> Any:
            return state[0][address : address + state[2][np.searchsorted(state[1], address)]]

        return Compiler.compile(read, stored(types.uint64, types.Tuple([stored, table, table])))


loading.OSCacheManager = _Cache


class _Batches(EpochIterator):  # type: ignore[misc]
    """ffcv's thread over one order of rows. What makes it fail is kept, where ffcv would wait for ever."""

    def __init__(self, loader: Any, order: Any) -> None:
        self.failure: BaseException | None = None
        with torch_threads_kept():
            super().__init__(loader, order)
            self.first = self.output_queue.get()

    def run(self) -> None:
        try:
            super().run()
        except BaseException as error:
            self.failure = error
            self.output_queue.put(None)

    def filled(self) -> Iterator[Any]:
        """The buffer of every batch, (n, largest) uint8: to be used before the next one is asked for."""
        found = self.first
        while found is not None:
            yield found[1][0]
            found = self.output_queue.get()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """Ends the thread, whatever it waits for."""
        self.iter_ixes = iter(())
        while self.is_alive():
            with contextlib.suppress(Empty):
                self.output_queue.get(timeout=0.01)
        self.close()


def open_rows(path: Path) -> Callable[..., Iterator[Any]]:
    """What reads the images of a file. ffcv compiles for seconds before the first one, when that is asked for.

    Raises ``DataError`` for a file whose tables are not those of one that was written to its end.
    """
    table = _table(path)
    largest = int((3 * table["width"].astype(np.int64) * table["height"]).max())

    @cache
    def loader() -> Any:
        with torch_threads_kept():
            return Loader(
                str(path),
                batch_size=max(1, min(MOST, BUFFERS // (largest * (AHEAD + 2)))),
                num_workers=1,
                os_cache=True,
                order=OrderOption.SEQUENTIAL,
                seed=0,
                pipelines={"image": PipelineSpec("image", decoder=Stored()), "label": None},
                drop_last=False,
                batches_ahead=AHEAD,
            )

    def rows(numbers: Sequence[int], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
        images = _images(loader(), np.asarray(numbers, dtype=np.uint64))
        with contextlib.closing(images):
            yield from in_order(images, lambda image: then(*image), workers, lambda image: int(image[0].nbytes))

    return rows


def _table(path: Path) -> Any:
    """The fields of every image. Its numbers are used as addresses, so none may lead out of the file or of an image."""
    try:
        reader = Reader(str(path))
        table, places = reader.metadata["f0"], reader.alloc_table
        starts, sizes, end = places["ptr"], places["size"], path.stat().st_size
        height, width, mode = table["height"].astype(np.uint64), table["width"].astype(np.uint64), table["mode"]
        raw = (mode == IMAGE_MODES["raw"]) & (sizes == 3 * height * width)
        jpg = (mode == IMAGE_MODES["jpg"]) & (np.maximum(height, width) <= LONGEST)
        whole = (
            reader.field_names == ["image", "label"]
            and len(table) == len(places) == reader.num_samples
            and np.array_equal(table["data_ptr"], starts)
            and bool((starts[1:] > starts[:-1]).all() and (starts <= end).all() and (sizes <= end - starts).all())
            and bool((raw | jpg).all())
        )
    except Exception:  # whatever NumPy and ffcv say of tables that are none
        whole = False
    if not whole:
        raise DataError(expected("the prepared file", "one with whole tables", "a damaged one", str(path)))
    return table


def _images(loader: Any, order: Any) -> Generator[tuple[Any, float], None, None]:
    """Each image as an array of its own, uint8 (h, w, 3), with the seconds that it took."""
    if not len(order):
        return
    table, left, batches = loader.reader.metadata["f0"], iter(order), _Batches(loader, order)
    try:
        start = time.perf_counter()
        for batch in batches.filled():
            waited = (time.perf_counter() - start) / len(batch)
            for flat, number in zip(batch, left, strict=False):
                began = time.perf_counter()
                height, width = int(table["height"][number]), int(table["width"][number])
                pixels = flat[: 3 * height * width].reshape(height, width, 3).copy()
                yield pixels, waited + time.perf_counter() - began
            start = time.perf_counter()
    finally:
        batches.stop()
