"""The check of a loader."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchsuite.data.resize import resize
from benchsuite.errors import DataError, expected
from benchsuite.specs import dataset
from benchsuite.specs.dataset import Sample
from benchsuite.specs.loader import Images, Loader
from benchsuite.specs.view import View, resized_shape
from benchsuite.testing.checker import Checker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def check_loader(loader: Loader, split: dataset.Split | None = None) -> None:
    """Checks that every sample comes once, in the requested order, as uint8 RGB; if exact, with the pixels of ``read``.

    ``split`` is by default 33 small arrays in memory; a loader that reads the files of a split needs another split. For
    a loader with a prepared file, the file is written first; its ``check`` raises when something is not installed.
    """
    import numpy as np

    it = Checker(f"loader {loader.name}")
    for part in loader.name.split(":", 1):
        it.declares(part, note=loader.note)
    if loader.on is not None:
        with it.runs("on('cpu')"):
            there = loader.on("cpu")
        same = (there.name, there.exact) == (loader.name, loader.exact)
        it.needs(same, "on('cpu')", "the loader itself, for another device", f"{there.name}, exact={there.exact}")
    split = split or dataset.Split("probe", _PROBES, ("even", "odd"), mirror=True, read=_probe_image)
    order = (*split.samples[::2], *reversed(split.samples[1::2]))
    with _images(loader, split, it) as images:
        for workers in (0, 2):
            with it.runs(f"images with {workers} workers"):
                got = list(images(split, order, _keep, workers))
                counts = len(got), len(list(images(split, (), _keep, workers)))
            it.needs(counts == (len(order), 0), f"the images of {len(order)} samples and of none", "as many", counts)
            pairs = all(isinstance(one, tuple) and len(one) == 2 for one in got)
            it.needs(pairs, "each value that images yields", "what then(pixels, seconds) returned", "another")
            for sample, (pixels, seconds) in zip(order, got, strict=True):
                one = Checker(f"{it.where}, sample {sample.id}")
                one.is_image(pixels)
                one.needs(math.isfinite(seconds) and seconds >= 0, "seconds", "a length of time", seconds)
                wanted = np.asarray(split.read(sample))
                if loader.resized is not None:
                    short = min(pixels.shape[:2])
                    one.needs(short == RESIZED.resize, "the shorter side of an image", f"{RESIZED.resize}", short)
                    wanted = resize(wanted, *resized_shape(wanted.shape[0], wanted.shape[1], RESIZED), RESIZED)
                equal = not loader.exact or np.array_equal(pixels, wanted)
                one.needs(equal, "an image of an exact loader", "the pixels of read() in the requested order", "others")
        if loader.streams or (loader.file is not None and loader.file.streams):
            _check_streams(images, split, it)
        unreadable = dataclasses.replace(split, read=_broken_probe)
        if loader.file is None:
            it.refuses("an image that cannot be read", DataError, lambda: list(images(unreadable, order, _keep, 2)))


def _check_streams(images: Images, split: dataset.Split, it: Checker) -> None:
    """Checks that samples may be any iterable, of which a bounded number is taken ahead."""
    taken: list[str] = []

    def endless() -> Iterator[Sample]:
        while len(taken) < _MANY:
            for sample in split.samples:
                taken.append(sample.id)
                yield sample

    samples: Any = endless()
    with it.runs("images of an iterable of samples, as streams promises"):
        results = images(split, samples, _keep, 2)
        for _ in range(2):
            next(results)
        getattr(results, "close", lambda: None)()
    rule = f"a promise to take a bounded number ahead, fewer than {_MANY} before two images"
    it.needs(len(taken) < _MANY, "streams", rule, len(taken))


@contextmanager
def _images(loader: Loader, split: dataset.Split, it: Checker) -> Iterator[Images]:
    """The loader's ``images``; for a loader of prepared files, a function that reads a file written here."""
    import numpy as np

    given = [value for value in (loader.images, loader.file, loader.resized) if value is not None]
    it.needs(len(given) == 1, "images, file and resized", "one of them, and the others None", f"{len(given)} of them")
    if loader.resized is not None:
        yield loader.resized(RESIZED)
        return
    if loader.images is not None:
        yield loader.images
        return
    form = loader.file
    assert form is not None, "checked above"
    form.check()
    places = {sample.id: row for row, sample in enumerate(split.samples)}
    with TemporaryDirectory() as folder:
        path = Path(folder, f"probe{form.suffix}")
        with it.runs("writing a file"):
            pairs = ((sample, np.ascontiguousarray(split.read(sample))) for sample in split.samples)
            form.write(path, len(split.samples), pairs)
            rows = form.open(path)

        def images(split: dataset.Split, samples: Any, then: Any, workers: int) -> Iterator[Any]:
            numbers: Any = (places[s.id] for s in samples)
            return rows(numbers if form.streams else [*numbers], then, workers)

        yield images


RESIZED = View(7)
"""The view whose resize a loader that also resizes is tried with."""


def _keep(pixels: Any, seconds: float) -> tuple[Any, float]:
    import numpy as np

    return np.array(pixels), seconds


_MANY = 10_000
"""Samples that no loader needs before it yields two images."""

_PROBES = tuple(Sample(f"probe-{i:02d}", i % 2, "memory") for i in range(33))


def _probe_image(sample: Sample) -> NDArray[np.uint8]:
    """An image of one colour; its size and colour follow from the sample's number."""
    import numpy as np

    number = int(sample.id[-2:])
    return np.full((1 + number % 5, 2 + number % 3, 3), (number, 2 * number, 255 - number), dtype=np.uint8)


def _broken_probe(sample: Sample) -> NDArray[np.uint8]:
    """Raises ``DataError``, as for a file that cannot be read."""
    raise DataError(expected("an image", "whole and readable", "a probe that is neither", sample.where))
