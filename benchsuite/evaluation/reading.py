"""Reads the images of chunks through a loader: every image once, in order, on into the next chunk where that helps."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from benchsuite.errors import BenchsuiteError
from benchsuite.evaluation.chunk import ChunkInProgress
from benchsuite.evaluation.input_pipeline import Cuts, Piece, cutter
from benchsuite.evaluation.timing import Seconds
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.loader import Loader
from benchsuite.specs.view import View


def read(
    loader: Loader,
    split: Split,
    chunks: Iterator[ChunkInProgress],
    turn: AbstractContextManager[Any],
    workers: int,
    seconds: Seconds,
    *,
    ahead: bool,
) -> Iterator[Piece | ChunkInProgress]:
    """Yields the pieces of each chunk in order, then the chunk itself, once each of its images has been read once.

    A chunk without views to compute is yielded at once. With ``ahead``, a loader that ``streams`` reads the next chunk
    while this one is computed; else a chunk is taken from ``chunks`` when the last one has been yielded, and the time
    of waiting is added to ``seconds``, as is that of decoding and resizing.

    Raises ``BenchsuiteError`` if the loader reads an image twice, leaves one out, adds one (padded or repeated) or
    yields them in another order: images would get the labels of others. Loaders that do not read through ``split.read``
    must ensure the order themselves.
    """
    chunk = next(chunks, None)
    while chunk is not None:
        if not chunk.views:
            chunk.read = True
            yield chunk
            chunk = next(chunks, None)
            continue
        stream = _Stream(chunk, chunks if ahead and loader.streams else iter(()))
        yield from _through(loader, split, stream, cutter(chunk.views, turn), workers, seconds, ahead=ahead)
        chunk = stream.other or next(chunks, None)


def pieces(loader: Loader, split: Split, samples: Sequence[Sample], views: Sequence[View]) -> Iterator[Piece]:
    """The pieces of these samples in order, with the checks of ``read``."""
    chunk = ChunkInProgress(samples, "", dict.fromkeys(views, ""), {})
    for event in read(loader, split, iter([chunk]), nullcontext(), 1, Seconds(), ahead=False):
        if isinstance(event, Piece):
            yield event


class _Stream:
    """The samples of a chunk and, as a loader asks for them, of those of ``more`` that follow with the same views.

    ``begun`` holds the chunks that are not yet read, ``other`` the chunk that ended the stream, if any.
    """

    def __init__(self, first: ChunkInProgress, more: Iterator[ChunkInProgress]) -> None:
        self.begun, self._more, self._views = deque([first]), more, first.views
        self.other: ChunkInProgress | None = None

    def samples(self) -> Iterator[Sample]:
        """Every sample, in order."""
        yield from self.begun[0].samples
        for chunk in self._more:
            if chunk.views != self._views:
                self.other = chunk
                return
            self.begun.append(chunk)
            yield from chunk.samples


def _through(
    loader: Loader,
    split: Split,
    stream: _Stream,
    then: Callable[[Any, float], Cuts],
    workers: int,
    seconds: Seconds,
    *,
    ahead: bool,
) -> Iterator[Piece | ChunkInProgress]:
    """The pieces and the chunks of a stream. A chunk ends when the next one's first image arrives, or the last."""
    assert loader.images is not None, "a loader of a prepared file has no images before it is opened"
    recorded = _RecordedRead(split.read)
    samples: Any = stream.samples() if loader.streams else stream.begun[0].samples
    results = loader.images(dataclasses.replace(split, read=recorded), samples, _with_id(then), workers)
    check, count = _Check(loader.name, recorded.ids), 0
    try:
        while True:
            start = time.perf_counter()
            try:
                result = next(results, None)
            except Exception:
                if len(stream.begun) > 1 and count == len(stream.begun[0].samples):
                    yield check.ended(stream.begun.popleft())  # the error is one of the next chunk
                raise
            if not ahead:
                seconds.wait += time.perf_counter() - start
            chunk = stream.begun[0]
            if result is not None and count == len(chunk.samples) and len(stream.begun) > 1:
                yield check.ended(stream.begun.popleft())
                chunk, count = stream.begun[0], 0
            if result is None and count == len(chunk.samples):
                break
            if result is None or count == len(chunk.samples):
                got = f"only {count}" if result is None else "more"
                raise BenchsuiteError(
                    f"Expected the loader to give {len(chunk.samples)} images, got {got}: no number is printed"
                )
            name, cuts = result
            check.comes(name, chunk.samples[count])
            seconds.decode += cuts.decode
            seconds.resize += cuts.resize
            for view, pixels in enumerate(cuts.pixels):
                yield Piece(count, view, pixels, chunk)
            count += 1
    finally:
        getattr(results, "close", lambda: None)()
    yield check.ended(stream.begun.popleft(), last=True)


class _Check:
    """Checks that a loader reads each sample of a chunk once, and yields them in order."""

    def __init__(self, loader: str, ids: list[str]) -> None:
        self._loader, self._ids, self._wrong = loader, ids, ""

    def comes(self, name: str | None, sample: Sample) -> None:
        """Notes that an image of this name comes, if that is known, where ``sample`` is expected."""
        if name is not None and not self._wrong and name != sample.id:
            self._wrong = f"Expected the loader {self._loader} to give {sample.id} next, got {name}"

    def ended(self, chunk: ChunkInProgress, *, last: bool = False) -> ChunkInProgress:
        """The chunk, all of whose images have come; raises ``BenchsuiteError`` if they were not read once each.

        What has been read of later chunks is left for them, unless this is the ``last``.
        """
        known, wanted = self._ids[:], {s.id for s in chunk.samples}
        own = known if last else [name for name in known if name in wanted]
        if known and (len(own) != len(wanted) or set(own) != wanted):
            raise BenchsuiteError(
                f"Expected the loader {self._loader} to read each of {len(wanted)} images once, got {len(set(own))} "
                f"distinct of {len(own)}: no number is printed"
            )
        if self._wrong:
            raise BenchsuiteError(f"{self._wrong}: no number is printed")
        self._ids[: len(known)] = [name for name in known if name not in wanted]
        chunk.read = True
        return chunk


_LAST = threading.local()
"""Per thread, ``read``: the image that ``split.read`` returned last and the id of its sample, until it is cut.

The id is None if the thread read more than one image since the last cut; then the order cannot be checked.
"""


@dataclass(frozen=True, slots=True)
class _RecordedRead:
    """``split.read`` that records the ids. A loader's worker process has its own copy, whose ids are not known here."""

    read: Callable[[Sample], Any]
    ids: list[str] = field(default_factory=list)

    def __call__(self, sample: Sample) -> Any:
        self.ids.append(sample.id)
        image = self.read(sample)
        _LAST.read = image, sample.id if getattr(_LAST, "read", None) is None else None
        return image


def _with_id(then: Callable[[Any, float], Cuts]) -> Callable[[Any, float], tuple[str | None, Cuts]]:
    """``then`` that also returns the sample's id, if the image is the one that this thread read last; else None."""

    def identified(image: Any, seconds: float) -> tuple[str | None, Cuts]:
        last, name = getattr(_LAST, "read", None) or (None, None)
        _LAST.read = None
        return name if last is image else None, then(image, seconds)

    return identified
