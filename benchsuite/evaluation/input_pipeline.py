"""From decoded images to batches: resizes once per scale, slices the crops, and batches pieces of equal shape."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from benchsuite.data import resize as resizing
from benchsuite.data.prefetch import reserve
from benchsuite.errors import BenchsuiteError
from benchsuite.evaluation.timing import Seconds
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.loader import Loader
from benchsuite.specs.view import View, resized_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


T = TypeVar("T")

HELD_BYTES = 256 * 2**20
"""Upper bound in bytes on pieces waiting for a full batch; beyond it the largest group is sent incomplete."""


ATTACKED, ATTACKED_PIXELS = 128, 2**20
"""Largest number of images, and of pixels, in a batch of an attacked view. It needs the memory of a training step."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The pixels of one view of one sample, uint8 (h, w, 3), and the indices of both within a chunk."""

    sample: int
    view: int
    pixels: NDArray[np.uint8]


def batches(
    pieces: Iterable[Piece], views: tuple[View, ...], size: int, held: int = HELD_BYTES
) -> Iterator[list[Piece]]:
    """Groups pieces by shape and kind of view into batches of as many pixels as ``size`` of the smallest views have.

    The batches depend on the order of the pieces only. ``held`` is the bound on waiting bytes, see ``HELD_BYTES``.

    An attacked view has batches of its own, of ``ATTACKED`` images, whatever ``size``, ``held`` and the other views
    are: the last bit of a gradient depends on the batch, and an attack multiplies it.
    """
    waiting, attacked = dict[tuple[object, ...], list[Piece]](), dict[tuple[object, ...], list[Piece]]()
    usual = min(_side(v) for v in views) ** 2
    bytes_held = 0
    for piece in pieces:
        view = views[piece.view]
        height, width = piece.pixels.shape[:2]
        alone = piece.view if view.attacked else None
        key: tuple[object, ...] = (
            height,
            width,
            view.dense,
            view.nominal,
            view.spatial,
            view.perturbation,
            _late_crop(view),
            alone,
        )
        groups = attacked if view.attacked else waiting
        group = groups.setdefault(key, [])
        group.append(piece)
        if view.attacked:
            if len(group) >= max(1, min(ATTACKED, ATTACKED_PIXELS // (height * width))):
                yield attacked.pop(key)
            continue
        bytes_held += height * width * 3
        if len(group) >= max(1, size * usual // (height * width)):
            full = key
        elif bytes_held > held:
            full = max(waiting, key=lambda k: sum(p.pixels.size for p in waiting[k]))
        else:
            continue
        batch = waiting.pop(full)
        bytes_held -= sum(p.pixels.shape[0] * p.pixels.shape[1] * 3 for p in batch)
        yield batch
    yield from waiting.values()
    yield from attacked.values()


def _late_crop(view: View) -> object:
    """The crop that is cut on the device, with the border around the image, if any: a batch has one."""
    return (view.crop, view.pad, view.border) if view.early_crop is None else None


def _side(view: View) -> int:
    """The side in pixels of the smallest square that a view may show."""
    if view.early_crop is not None:
        return view.early_crop.size
    return view.nominal or (min(view.resize) if isinstance(view.resize, tuple) else view.resize)


LARGE = 2**24
"""Size in bytes of a resized image above which small crops are copied, so that the image can be freed."""


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """The pixels of one image in every view, uint8 (h, w, 3), in the order of the views; and the seconds it took."""

    pixels: list[Any]
    decode: float
    resize: float


def cutter(views: tuple[View, ...], turn: AbstractContextManager[Any]) -> Callable[[Any, float], Cuts]:
    """Returns what a loader's worker calls with a decoded image: it waits for ``turn``, resizes and cuts the views."""

    def then(image: Any, decoded: float) -> Cuts:
        with turn:
            pass
        start = time.perf_counter()
        height, width = resizing.size(image)
        scales: dict[tuple[Any, ...], Any] = {}
        pixels = []
        for view in views:
            shape = resized_shape(height, width, view)
            key = (shape, view.interpolation, view.antialias)
            if key not in scales:
                reserve(resizing.resize_bytes(*shape, view))  # resizing may enlarge a narrow image a hundredfold
                scales[key] = resizing.resize(image, *shape, view)
            pixels.append(_own_copy(resizing.cut(scales[key], view), scales[key]))
        return Cuts(pixels, decoded, time.perf_counter() - start)

    return then


def _own_copy(part: Any, whole: Any) -> Any:
    """A small crop of a large image as a copy: a slice would keep the whole image in memory until its batch is done."""
    return part.copy() if whole.nbytes > LARGE and 8 * part.nbytes < whole.nbytes else part


_LAST = threading.local()
"""Per thread, ``read``: the image that ``split.read`` returned last and the id of its sample, until it is cut.

The id is None if the thread read more than one image since the last cut; then the order cannot be checked.
"""


@dataclass(frozen=True, slots=True)
class _RecordedRead:
    """``split.read`` that records the ids. A loader's worker process has its own copy, whose ids are not known here.

    ``files`` are the ids of files whose bytes a loader has got: it may call ``read`` for one that it cannot decode.
    """

    read: Callable[[Sample], Any]
    ids: list[str] = field(default_factory=list)
    files: set[str] = field(default_factory=set)

    @property
    def content(self) -> Callable[[Sample], bytes] | None:
        """See ``file_content``; what it returns records the ids too."""
        content: Callable[[Sample], bytes] | None = getattr(self.read, "content", None)
        if content is None:
            return None

        def recorded(sample: Sample) -> bytes:
            self.ids.append(sample.id)
            self.files.add(sample.id)
            return content(sample)

        return recorded

    def __call__(self, sample: Sample) -> Any:
        if sample.id in self.files:
            self.files.discard(sample.id)
        else:
            self.ids.append(sample.id)
        image = self.read(sample)
        _LAST.read = image, sample.id if getattr(_LAST, "read", None) is None else None
        return image


def _with_id(then: Callable[[Any, float], T]) -> Callable[[Any, float], tuple[str | None, T]]:
    """``then`` that also returns the sample's id, if the image is the one that this thread read last; else None."""

    def identified(image: Any, seconds: float) -> tuple[str | None, T]:
        last, name = getattr(_LAST, "read", None) or (None, None)
        _LAST.read = None
        return name if last is image else None, then(image, seconds)

    return identified


def read_once_each(
    loader: Loader, split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int
) -> Generator[T, None, None]:
    """Yields what ``then`` returns for each of these samples, in order, as a loader reads them.

    Raises ``BenchsuiteError`` if the loader reads a sample twice or leaves one out, even if their number is right. Also
    raises it if the loader yields them in another order: images would get the labels of others. Loaders that do not
    read through ``split.read`` must ensure this themselves.
    """
    assert loader.images is not None, "a loader of a prepared file has no images before it is opened"
    read, wrong = _RecordedRead(split.read), ""
    results = loader.images(dataclasses.replace(split, read=read), samples, _with_id(then), workers)
    try:
        for i, (name, cuts) in enumerate(results):
            if name is not None and not wrong and i < len(samples) and name != samples[i].id:
                wrong = f"Expected the loader {loader.name} to give {samples[i].id} next, got {name}"
            yield cuts
    finally:
        getattr(results, "close", lambda: None)()
    if read.ids and (len(read.ids) != len(samples) or set(read.ids) != {s.id for s in samples}):
        got = f"{len(set(read.ids))} distinct of {len(read.ids)}"
        raise BenchsuiteError(
            f"Expected the loader {loader.name} to read each of {len(samples)} images once, got {got}: "
            "no number is printed"
        )
    if wrong:
        raise BenchsuiteError(f"{wrong}: no number is printed")


def pieces(images: Iterator[Cuts], count: int, seconds: Seconds) -> Iterator[Piece]:
    """The pieces of all images in order; adds the time of waiting, decoding and resizing to ``seconds``.

    Raises ``BenchsuiteError`` if a loader yields more or fewer than ``count`` images (padded, repeated or dropped).
    """
    sample = 0
    while True:
        start = time.perf_counter()
        cuts = next(images, None)
        seconds.wait += time.perf_counter() - start
        if cuts is None and sample == count:
            return
        if cuts is None or sample == count:
            got = f"only {sample}" if cuts is None else "more"
            raise BenchsuiteError(f"Expected the loader to give {count} images, got {got}: no number is printed")
        seconds.decode += cuts.decode
        seconds.resize += cuts.resize
        for view, pixels in enumerate(cuts.pixels):
            yield Piece(sample, view, pixels)
        sample += 1
