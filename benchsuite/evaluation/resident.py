"""Resident images: read and resized once, then kept for all networks of a process, on their device or in memory."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cache
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from benchsuite.data import resize as resizing
from benchsuite.data.prefetch import free_memory, in_order
from benchsuite.errors import TooLarge
from benchsuite.evaluation.reading import read_once_each
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.loader import Loader
from benchsuite.specs.view import View, resize_of, resized_shape
from benchsuite.storage.keys import reader

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

Name = tuple[str, str]
"""An image in a set: the id and the state of its sample."""


@dataclass(slots=True)
class ResidentImages:
    """Images by set, in a memory of which ``free`` bytes are left. A set is what one reader gives at one resize.

    The last set was used last. ``limit`` is the bound on ``bytes`` of all sets: ``begin`` sets it to what is kept and
    half of what is free. ``moved`` puts an array, uint8 (h, w, 3), into this memory; what it returns has ``shape``,
    ``nbytes`` and the array's pixels.
    """

    free: Callable[[], int]
    moved: Callable[[Any], Any] = lambda image: image
    limit: int = 0
    bytes: int = 0
    sets: dict[Hashable, dict[Name, Any]] = field(default_factory=dict)

    def begin(self, key: Hashable, processes: int = 1) -> None:
        """Begins a pass over a set, in each of ``processes`` processes that share the memory."""
        self.limit = self.bytes + self.free() // (2 * processes)
        self.sets[key] = self.sets.pop(key, {})

    def found(self, key: Hashable, names: Sequence[Name]) -> list[Any] | None:
        """The images of these names, in order; None if one of them is not kept."""
        images = self.sets[key]
        return [images[name] for name in names] if all(name in images for name in names) else None

    def makes_room(self, key: Hashable, count: int) -> bool:
        """Whether ``count`` more bytes fit. For that, other sets are dropped, the one that was used first before."""
        for other in [one for one in self.sets if one != key]:
            if self.bytes + count <= self.limit:
                break
            self.bytes -= sum(image.nbytes for image in self.sets.pop(other).values())
        return self.bytes + count <= self.limit

    def keep(self, key: Hashable, names: Sequence[Name], images: Sequence[NDArray[np.uint8]]) -> None:
        """Adds images to a set."""
        new = {n: self.moved(i) for n, i in zip(names, images, strict=True) if n not in self.sets[key]}
        self.sets[key].update(new)
        self.bytes += sum(image.nbytes for image in new.values())


RESIDENT = ResidentImages(free_memory)
"""The images that this process keeps in its own memory, until it ends."""


@cache
def on_device(name: str) -> ResidentImages:
    """The images that this process keeps on a device, until it ends."""
    import torch

    from benchsuite.models.resize.device_views import ResidentImage

    def free() -> int:
        return int(torch.cuda.mem_get_info(torch.device(name))[0]) if name.startswith("cuda") else free_memory()

    return ResidentImages(free, lambda image: ResidentImage(image, name))


def resident(
    loader: Loader,
    split: Split,
    samples: Sequence[Sample],
    views: Sequence[View],
    note: Callable[[str], None],
    *,
    processes: int = 1,
    memories: Sequence[ResidentImages] = (RESIDENT,),
) -> Loader:
    """An opened loader that reads each image once and keeps it; unchanged if it is not to be ``resident``.

    If all ``views`` begin with the same resize, images are kept resized, else as they are read. ``samples`` are all
    that will be read. They are kept in the first of the ``memories`` that has room. If none has, ``note`` is called
    with one line, and what did not fit is read again.
    """
    if not loader.resident:
        return loader
    resizes = {resize_of(view) for view in views}
    view = views[0] if len(resizes) == 1 else None
    own, count = split, len(samples)  # the split that ``images`` gets counts what is read, and so does read_once_each
    source = "exact" if loader.exact else (loader.name, loader.decoder and loader.decoder())
    key = source, reader(split), view and resize_of(view)
    for memory in memories:
        memory.begin(key, processes)
    told: list[str] = []

    def images(split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int) -> Iterator[T]:
        names = [(s.id, s.state) for s in samples]
        found = next((kept for memory in memories if (kept := memory.found(key, names)) is not None), None)
        if found is not None:  # those that are resized only have to be cut: threads would cost more than they do
            pairs = zip(samples, found, strict=True)
            yield from in_order(pairs, lambda pair: _again(*pair, then), workers if view is None else 0)
            return
        read, held = list[Any](), 0
        whole = read_once_each(loader, own, samples, _resized(view, then), workers)
        with closing(whole):
            for pixels, result in whole:
                held += pixels.nbytes
                read.append(pixels)
                if not told and not any(memory.makes_room(key, held) for memory in memories):
                    told.append(_too_small(memories, key, held, len(read), count))
                    note(told[0])
                yield result
        if not told and len(read) == len(names):  # by now it is sure which image is which
            _keep(memories, key, names, read)

    return replace(loader, images=images, streams=False)  # it is known of each chunk whether it is kept


def _keep(
    memories: Sequence[ResidentImages], key: Hashable, names: Sequence[Name], images: Sequence[NDArray[np.uint8]]
) -> None:
    """Keeps images in the first memory that has room. One that turns out to have none takes no others."""
    count = sum(image.nbytes for image in images)
    for memory in memories:
        if not memory.makes_room(key, count):
            continue
        try:
            memory.keep(key, names, images)
        except RuntimeError as error:
            from benchsuite.models.memory import lacks_memory

            if not lacks_memory(error):
                raise
            memory.limit = 0
        else:
            return


def _again(sample: Sample, pixels: Any, then: Callable[[Any, float], T]) -> T:
    """What ``then`` makes of an image that is kept."""
    try:
        return then(pixels, 0.0)
    except TooLarge as error:
        raise error.at(sample.where) from None


def _resized(view: View | None, then: Callable[[Any, float], T]) -> Callable[[Any, float], tuple[Any, T]]:
    """What a worker calls with a decoded image: the array to keep, and what ``then`` makes of it."""

    def resized(image: Any, seconds: float) -> tuple[Any, T]:
        import numpy as np

        began = perf_counter()
        if view is not None:
            image = resizing.resize(image, *resized_shape(*resizing.size(image), view), view)
        pixels = np.asarray(image)
        if not pixels.flags.owndata:  # a part of a mapped file, which may change, or of more memory than is counted
            pixels = pixels.copy()
        return pixels, then(pixels, seconds + perf_counter() - began)

    return resized


def _too_small(memories: Sequence[ResidentImages], key: Hashable, held: int, read: int, samples: int) -> str:
    images = [image for memory in memories for image in memory.sets[key].values()]
    mean = (held + sum(image.nbytes for image in images)) / (read + len(images))
    need, limit = mean * samples / 2**30, sum(memory.limit for memory in memories) / 2**30
    return (
        f"the images need about {need:.1f} GiB, half of the free memory is {limit:.1f} GiB: {len(images)} of {samples} "
        "are kept, the others are read by each network again"
    )
