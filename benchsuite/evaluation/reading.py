"""Reads the images of chunks through a loader: every image once, in order, on into the next chunk where that helps."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from benchsuite.contract import call
from benchsuite.errors import BenchsuiteError, DataError, PluginError, expected, first_line
from benchsuite.evaluation.chunk import ChunkInProgress
from benchsuite.evaluation.input_pipeline import Cuts, Piece, cutter
from benchsuite.evaluation.timing import Seconds
from benchsuite.models.predict import Resizer
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.loader import Loader
from benchsuite.specs.view import View

T = TypeVar("T")


def read(
    loader: Loader,
    split: Split,
    chunks: Iterator[ChunkInProgress],
    turn: AbstractContextManager[Any],
    workers: int,
    seconds: Seconds,
    *,
    ahead: bool,
    resizer: Resizer | None = None,
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
        stream = _Stream(chunk, chunks if ahead and loader.streams else None)
        yield from _through(loader, split, stream, cutter(chunk.views, turn, resizer), workers, seconds, ahead=ahead)
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

    def __init__(self, first: ChunkInProgress, more: Iterator[ChunkInProgress] | None) -> None:
        self.begun, self._more, self._views = deque([first]), more, first.views
        self.other: ChunkInProgress | None = None

    def samples(self) -> Iterable[Sample]:
        """Every sample, in order; without ``more`` they are known."""
        return self.begun[0].samples if self._more is None else self._samples(self._more)

    def _samples(self, more: Iterator[ChunkInProgress]) -> Iterator[Sample]:
        yield from self.begun[0].samples
        for chunk in more:
            if chunk.views != self._views:
                self.other = chunk
                return
            self.begun.append(chunk)
            yield from chunk.samples


def read_once_each(
    loader: Loader, split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int
) -> Generator[T, None, None]:
    """Yields what ``then`` returns for each of these samples, in order, with the checks of ``read`` at the end."""
    images = _Images(loader, split, samples, then, workers)
    with closing(images):
        while (result := images.next()) is not None:
            yield result[0]
    images.check(samples, last=True)


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
    images, count = _Images(loader, split, stream.samples(), then, workers), 0

    def ended(*, last: bool = False) -> ChunkInProgress:
        chunk = stream.begun.popleft()
        images.check(chunk.samples, last=last)
        chunk.read = True
        return chunk

    with closing(images):
        while True:
            start = time.perf_counter()
            try:
                result = images.next()
            except Exception:
                if len(stream.begun) > 1 and count == len(stream.begun[0].samples):
                    yield ended()  # the error is one of the next chunk
                raise
            if not ahead:
                seconds.wait += time.perf_counter() - start
            if result is not None and count == len(stream.begun[0].samples) and len(stream.begun) > 1:
                yield ended()
                count = 0
            chunk = stream.begun[0]
            if result is None and count == len(chunk.samples):
                break
            if result is None or count == len(chunk.samples):
                got = f"only {count}" if result is None else "more"
                rule = f"Expected the loader to give {len(chunk.samples)} images"
                raise BenchsuiteError(f"{rule}, got {got}: no number is printed")
            (cuts,) = result
            seconds.decode += cuts.decode
            seconds.resize += cuts.resize
            for view, pixels in enumerate(cuts.pixels):
                yield Piece(count, view, pixels, chunk)
            count += 1
    yield ended(last=True)


class _Images(Generic[T]):
    """What ``then`` returns for samples, as a loader reads them; it checks which images they are."""

    def __init__(
        self, loader: Loader, split: Split, samples: Iterable[Sample], then: Callable[[Any, float], T], workers: int
    ) -> None:
        assert loader.images is not None, "a loader of a prepared file has no images before it is opened"
        self._name, self._ids, self._asked, self._wrong = loader.name, list[str](), deque[str](), ""
        recorded = dataclasses.replace(split, read=_RecordedRead(split.read, self._ids))
        noted: Any = self._noted(samples)  # one by one, if the loader streams
        given = [*noted] if isinstance(samples, Sequence) else noted
        what = f"images of the loader {loader.name}"
        kind: Any = Iterator
        self._results: Iterator[Any] = call(what, kind, loader.images, recorded, given, _with_id(then), workers)

    def next(self) -> tuple[T] | None:
        """The next result; None at the end. Notes whether it is that of the sample that is next."""
        result = next(self._results, None)
        if result is None:
            return None
        if not (isinstance(result, tuple) and len(result) == 2):
            what = f"each value that images of the loader {self._name} yields"
            raise PluginError(expected(what, "what then(pixels, seconds) returned", f"a {type(result).__name__}"))
        wanted = self._asked.popleft() if self._asked else None
        if None not in (result[0], wanted) and result[0] != wanted and not self._wrong:
            self._wrong = f"Expected the loader {self._name} to give {wanted} next, got {result[0]}"
        return (result[1],)

    def check(self, samples: Sequence[Sample], *, last: bool) -> None:
        """Raises ``BenchsuiteError`` if one of these, whose results have come, was not read once, or not in order.

        What has been read of later samples is left for them, unless these are the ``last``.
        """
        known, wanted = self._ids[:], {s.id for s in samples}
        own = known if last else [name for name in known if name in wanted]
        if known and (len(own) != len(wanted) or set(own) != wanted):
            got = f"{len(set(own))} distinct of {len(own)}"
            rule = f"Expected the loader {self._name} to read each of {len(wanted)} images once"
            raise BenchsuiteError(f"{rule}, got {got}: no number is printed")
        if self._wrong:
            raise BenchsuiteError(f"{self._wrong}: no number is printed")
        self._ids[: len(known)] = [name for name in known if name not in wanted]

    def close(self) -> None:
        """Ends the loader's threads."""
        getattr(self._results, "close", lambda: None)()

    def _noted(self, samples: Iterable[Sample]) -> Iterator[Sample]:
        for sample in samples:
            self._asked.append(sample.id)
            yield sample


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
    ids: list[str]
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
        try:
            image = self.read(sample)
        except OSError as error:
            raise DataError(f"Cannot read the image {sample.id}: {first_line(error)} ({sample.where})") from error
        _check_image(image, sample)
        _LAST.read = image, sample.id if getattr(_LAST, "read", None) is None else None
        return image


def _check_image(image: Any, sample: Sample) -> None:
    """Raises ``DataError`` unless this is an RGB image of Pillow or an array of uint8 (h, w, 3)."""
    mode = getattr(image, "mode", "")
    got = f"{getattr(image, 'dtype', type(image).__name__)} {getattr(image, 'shape', '')}".strip()
    if mode != "RGB" and not (got.startswith("uint8 (") and image.shape[2:] == (3,)):
        rule = "uint8 (height, width, 3), or RGB of Pillow"
        raise DataError(expected(f"the image {sample.id}", rule, f"mode {mode}" if mode else got, sample.where))


def _with_id(then: Callable[[Any, float], T]) -> Callable[[Any, float], tuple[str | None, T]]:
    """``then`` that also returns the sample's id, if the image is the one that this thread read last; else None."""

    def identified(image: Any, seconds: float) -> tuple[str | None, T]:
        last, name = getattr(_LAST, "read", None) or (None, None)
        _LAST.read = None
        return name if last is image else None, then(image, seconds)

    return identified
