"""Reads ``.beton`` files with ffcv: any rows, in any order, each image at its own size."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from queue import Empty
from typing import Any, TypeVar

import numpy as np
from ffcv.fields.rgb_image import IMAGE_MODES
from ffcv.libffcv import imdecode, memcpy
from ffcv.loader import Loader, OrderOption, epoch_iterator
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
"""Batches that ffcv keeps ready, in addition to the one that it fills and the one in use."""

MOST, BUFFERS = 256, 2**28
"""Upper bounds on the images in a batch and on the bytes of all buffers; at least one image if the largest is large."""


BLOCK = 8
"""Raw images that a thread takes at a time."""


class Stored(Operation):  # type: ignore[misc]
    """Puts each image's bytes at the start of a row that fits the largest image: no resize, no crop, no padding."""

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
                    destination[i][:] = 0  # else a JPEG that cannot be decoded shows the previous image of this row
                    decode(data, destination[i], height, width, height, width, 0, 0, 1, 1, False, False)
                else:
                    copy(data, destination[i])
            return destination

        return stored


@cache
def _compiled() -> tuple[Any, Any]:
    """The functions of ffcv for copying and decoding, compiled once for all files."""
    return Compiler.compile(memcpy), Compiler.compile(imdecode)


class _Cache(OSCacheManager):  # type: ignore[misc]
    """Reads the file through the system's page cache. ffcv's own class marks a type that numba shares as read-only at
    every call, so that what was compiled for one file is lost when a second one is opened.
    """

    def compile_reader(self) -> Any:
        """An address and the state of the cache -> the bytes of an image."""
        stored, table = types.Array(types.uint8, 1, "C", readonly=True), types.Array(types.uint64, 1, "C")

        def read(address: Any, state: Any) -> Any:
            return state[0][address : address + state[2][np.searchsorted(state[1], address)]]

        return Compiler.compile(read, stored(types.uint64, types.Tuple([stored, table, table])))


loading.OSCacheManager = _Cache
epoch_iterator.IS_CUDA = False  # pixels stay on the host; else ffcv makes CUDA streams, even for a run on the CPU


class _Batches(EpochIterator):  # type: ignore[misc]
    """ffcv's thread that reads rows in one order. Keeps the error that ends it, where ffcv would wait for ever."""

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
        """Yields the buffer of each batch, (n, largest) uint8, valid until the next is wanted. Raises ``failure``."""
        batch = self.first
        while batch is not None:
            yield batch[1][0]
            batch = self.output_queue.get()
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
    """Returns the function that reads rows of a file. Before its first image, ffcv compiles for seconds.

    Images that are stored raw are parts of the file, which is mapped: their arrays cannot be written to.

    Raises ``DataError`` for a file whose tables are damaged or incomplete.
    """
    table = _table(path)
    if (table["mode"] == IMAGE_MODES["raw"]).all():
        return _raw_rows(path, table)
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


def _raw_rows(path: Path, table: Any) -> Callable[..., Iterator[Any]]:
    """The function that reads rows of a file whose images are all stored raw."""
    pages = np.asarray(np.memmap(path, np.uint8, "r"))
    starts, heights, widths = (table[name].tolist() for name in ("data_ptr", "height", "width"))

    def image(number: int) -> Any:
        start, height, width = starts[number], heights[number], widths[number]
        return pages[start : start + 3 * height * width].reshape(height, width, 3)

    def rows(numbers: Iterable[int], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
        return in_order(numbers, lambda number: then(image(number), 0.0), workers, block=BLOCK)

    return rows


def _table(path: Path) -> Any:
    """The table of all images. Its numbers are used as addresses: none may point outside the file or its image."""
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
    except Exception:  # NumPy and ffcv raise many types for damaged tables
        whole = False
    if not whole:
        raise DataError(expected("the prepared file", "one with complete tables", "a damaged one", str(path)))
    return table


def _images(loader: Any, order: Any) -> Generator[tuple[Any, float], None, None]:
    """Yields each image as a copy, uint8 (h, w, 3), with the seconds that it took."""
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
