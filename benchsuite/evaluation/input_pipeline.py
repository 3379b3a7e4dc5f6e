"""From decoded images to batches: resizes once per scale, slices the crops, and batches pieces of equal shape."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING, Any

from benchsuite.data import resize as resizing
from benchsuite.data.prefetch import reserve
from benchsuite.errors import BenchsuiteError, expected
from benchsuite.evaluation.chunk import ChunkInProgress
from benchsuite.models.predict import Buffer, Places, Resizer
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import View, resized_shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


HELD_BYTES = 256 * 2**20
"""Upper bound in bytes on pieces waiting for a full batch; beyond it the largest group is sent incomplete."""

SPAN = 8
"""Chunks that a score map waits at most for others of its shape, where groups go on into the next chunk."""

ATTACKED, ATTACKED_PIXELS = 128, 2**20
"""Largest number of images, and of pixels, in a batch of an attacked view. It needs the memory of a training step."""


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """The pixels of one view of one sample, uint8 (h, w, 3), and the indices of both within their ``chunk``.

    ``pixels`` is an array, or has only its shape, where a ``Resizer`` is to make them on the device.
    """

    sample: int
    view: int
    pixels: Any
    chunk: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """Pieces of equal shape and kind, which a network computes together. They may be of several chunks."""

    pieces: Sequence[Piece]

    def __len__(self) -> int:
        return len(self.pieces)

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, h, w, 3)."""
        return len(self.pieces), *self.pieces[0].pixels.shape

    @property
    def view(self) -> View:
        """One of the views; the others differ from it in what is done already, and in their mirroring."""
        return self._view(self.pieces[0])

    @property
    def samples(self) -> list[Sample]:
        """The sample of each piece."""
        return [p.chunk.samples[p.sample] for p in self.pieces]

    def flips(self) -> NDArray[np.bool_]:
        """(n,): which pieces the network mirrors."""
        import numpy as np

        return np.array([self._view(p).flip for p in self.pieces])

    def stacked(self, buffer: Buffer | None = None, resizer: Resizer | None = None) -> Any:
        """The pixels as one array, in a ``buffer`` if there are any: uint8 (n, h, w, 3).

        A tensor on the device, if the ``resizer`` has to make some of them.
        """
        import numpy as np

        parts = [p.pixels for p in self.pieces]
        if resizer is not None and not all(isinstance(part, np.ndarray) for part in parts):
            return resizer.stacked(parts)
        return np.stack(parts, out=buffer(self.shape) if buffer is not None else None)

    def put(self, scores: NDArray[np.float32], places: Places) -> None:
        """Stores the (n, c) scores in the chunks. Raises ``BenchsuiteError`` unless there is one row for each piece."""
        if len(scores) != len(self.pieces):
            rule = f"one row for each of the {len(self.pieces)} images of a batch"
            raise BenchsuiteError(expected("the logits", rule, f"{len(scores)}: no number is printed"))
        start = 0
        for _, same in groupby(self.pieces, key=lambda p: id(p.chunk)):
            own = list(same)
            rows = slice(start, start + len(own))
            of = places if isinstance(places, int) else places[rows]
            own[0].chunk.put([p.sample for p in own], [p.view for p in own], scores[rows], of)
            start += len(own)

    @staticmethod
    def _view(piece: Piece) -> View:
        views: tuple[View, ...] = piece.chunk.views
        return views[piece.view]


def batched(
    events: Iterable[Piece | ChunkInProgress], size: int, held: int = HELD_BYTES, span: int = 1
) -> Iterator[Batch | ChunkInProgress]:
    """Makes ``batches`` of the pieces of each chunk; then comes the chunk itself.

    With a ``span`` above 1, score maps wait for others of their shape from as many chunks; everything else is batched
    within its chunk. A chunk without views, which was in the cache, ends all batches before it. If reading fails, the
    waiting pieces of chunks that have been read come before the error.
    """
    groups, ended = Groups((), size, held), 0
    try:
        for event in events:
            if isinstance(event, Piece):
                if event.chunk.views != groups.views:
                    yield from map(Batch, groups.rest())
                    groups = Groups(event.chunk.views, size, held)
                full = groups.add(event, ended)
                if full is not None:
                    yield Batch(full)
                continue
            ended += 1
            yield from map(Batch, groups.rest(ended - span if event.views else ended))
            yield event
    except Exception:
        for group in groups.rest():
            whole = [piece for piece in group if piece.chunk.read]
            if whole:
                yield Batch(whole)
        raise
    yield from map(Batch, groups.rest())


def batches(
    pieces: Iterable[Piece], views: tuple[View, ...], size: int, held: int = HELD_BYTES
) -> Iterator[list[Piece]]:
    """Groups pieces by shape and kind of view into batches of as many pixels as ``size`` of the smallest views have.

    The batches depend on the order of the pieces only. ``held`` is the bound on waiting bytes, see ``HELD_BYTES``.

    An attacked view has batches of its own, of ``ATTACKED`` images, whatever ``size``, ``held`` and the other views
    are: the last bit of a gradient depends on the batch, and an attack multiplies it.
    """
    groups = Groups(views, size, held)
    for piece in pieces:
        full = groups.add(piece)
        if full is not None:
            yield full
    yield from groups.rest()


class Groups:
    """Pieces of some ``views`` that wait for others of their shape and kind: see ``batches``."""

    def __init__(self, views: tuple[View, ...], size: int, held: int) -> None:
        self.views, self._held, self._bytes = views, held, 0
        self._room = size * min((_side(v) for v in views), default=0) ** 2
        self._kinds = [_kind(i, view) for i, view in enumerate(views)]
        self._waiting, self._attacked = dict[Any, _Group](), dict[Any, _Group]()

    def add(self, piece: Piece, since: int = 0) -> list[Piece] | None:
        """Adds a piece; returns the group that is full now or, of too many waiting bytes, the largest; else None.

        A group's ``since`` is that of its first piece.
        """
        view, kind = self.views[piece.view], self._kinds[piece.view]
        height, width = piece.pixels.shape[:2]
        key, attacked = (height, width, kind), view.attacked
        groups = self._attacked if attacked else self._waiting
        group = groups.get(key)
        if group is None:
            area = height * width
            full = min(ATTACKED, ATTACKED_PIXELS // area) if attacked else self._room // area
            group = groups[key] = _Group(max(1, full), since, view.dense)
        group.pieces.append(piece)
        if attacked:
            return groups.pop(key).pieces if len(group.pieces) >= group.full else None
        group.bytes += height * width * 3
        self._bytes += height * width * 3
        if len(group.pieces) < group.full:
            if self._bytes <= self._held:
                return None
            key = max(groups, key=lambda k: groups[k].bytes)
        return self._popped(key)

    def rest(self, until: int | None = None) -> Iterator[list[Piece]]:
        """The groups that wait, and no longer do; with ``until``, score maps stay that wait since later."""
        for key, group in [*self._waiting.items()]:
            if until is None or not group.dense or group.since <= until:
                yield self._popped(key)
        for key in [*self._attacked]:
            yield self._attacked.pop(key).pieces

    def _popped(self, key: Any) -> list[Piece]:
        group = self._waiting.pop(key)
        self._bytes -= group.bytes
        return group.pieces


@dataclass(slots=True, eq=False)
class _Group:
    """Pieces that wait until there are ``full`` of them; ``bytes`` of pixels."""

    full: int
    since: int
    dense: bool
    bytes: int = 0
    pieces: list[Piece] = field(default_factory=list)


def _kind(number: int, view: View) -> tuple[object, ...]:
    """What views must have in common, beside their shape, to share a batch."""
    alone = number if view.attacked else None
    return view.dense, view.nominal, view.spatial, view.perturbation, _late_crop(view), alone


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

SIZES = 1024
"""Sizes of images for which it is kept where their crops lie."""


@dataclass(frozen=True, slots=True, eq=False)
class Cuts:
    """The pixels of one image in every view, uint8 (h, w, 3), in the order of the views; and the seconds it took."""

    pixels: list[Any]
    decode: float
    resize: float


def cutter(
    views: tuple[View, ...], turn: AbstractContextManager[Any], resizer: Resizer | None = None
) -> Callable[[Any, float], Cuts]:
    """Returns what a loader's worker calls with a decoded image: it waits for ``turn``, resizes and cuts the views.

    With a ``resizer``, the device resizes the images that it takes: then only shapes and places are computed here.
    """

    @lru_cache(SIZES)
    def plan(height: int, width: int) -> tuple[list[tuple[View, int, int]], list[tuple[int, View, Any]], int]:
        """The scales that are needed; of each view the number of its scale and where its crop lies; the pixels seen."""
        scales, cuts, seen = dict[Any, tuple[View, int, int]](), list[tuple[int, View, Any]](), 0
        for view in views:
            shape = resized_shape(height, width, view)
            key = (shape, view.interpolation, view.antialias)
            scales.setdefault(key, (view, *shape))
            at = resizing.square(*shape, view)
            cuts.append(([*scales].index(key), view, at))
            seen += at[2] ** 2 if at is not None else shape[0] * shape[1]
        return [*scales.values()], cuts, seen

    def then(image: Any, decoded: float) -> Cuts:
        with turn:
            pass
        start = time.perf_counter()
        height, width = resizing.size(image)
        scales, cuts, seen = plan(height, width)
        there = resizer.image(image, scales, seen) if resizer is not None else None
        resized = []
        for view, high, wide in scales:
            if there is not None and resizing.by_pillow(view):
                resized.append(there.scaled(high, wide, view))
                continue
            if (high, wide) != (height, width) or not hasattr(image, "shape"):
                reserve(resizing.resize_bytes(high, wide, view))  # it may enlarge a narrow image a hundredfold
            resized.append(resizing.resize(image, high, wide, view))
        pixels = [_cut(resized[i], view, at) for i, view, at in cuts]
        return Cuts(pixels, decoded, time.perf_counter() - start)

    return then


def _cut(whole: Any, view: View, at: Any) -> Any:
    """The part of a resized image that a view shows.

    A small crop of a large image is a copy: a slice would keep the whole image in memory until its batch is done.
    """
    if not hasattr(whole, "nbytes"):  # a ``Resizer`` makes it
        return whole.cut(view, at)
    part = resizing.cut(whole, view, at)
    return part.copy() if whole.nbytes > LARGE and 8 * part.nbytes < whole.nbytes else part
