"""Opens a loader for the views of a command: its prepared file, its resize, and the memory that it keeps images in."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

from benchsuite.data.prepared_reader import open_prepared
from benchsuite.errors import BadParameter, expected
from benchsuite.evaluation.resident import RESIDENT, on_device, resident
from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.loader import Loader
from benchsuite.specs.view import View, resize_of


def open_loader(
    loader: Loader,
    split: Split,
    samples: Sequence[Sample],
    views: Sequence[View],
    data: str,
    note: Callable[[str], None],
    *,
    processes: int = 1,
    device: str = "cpu",
    stays: bool = False,
) -> Loader:
    """The loader with an ``images`` that reads these samples for these views; ``data`` is the set as it was typed.

    ``note`` is called with what a user should know. ``processes`` share the memory of this machine. ``device`` is that
    of the run; with ``stays``, images that are kept stay there, as long as it has room.

    Raises ``DataError`` if a package is missing, or a prepared file is missing or unsuitable; and ``BadParameter`` if a
    loader that resizes would have to resize in several ways.
    """
    loader = loader.at(device)
    if loader.decoder is not None:
        loader.decoder()
    opened = open_prepared(loader, split, samples, views, data)
    if opened.resized is not None:
        opened = dataclasses.replace(opened, images=opened.resized(_one_resize(loader, views)))
    memories = (*([on_device(device)] if stays and loader.resident else []), RESIDENT)
    return resident(opened, split, samples, views, note, processes=processes, memories=memories)


def _one_resize(loader: Loader, views: Sequence[View]) -> View:
    """The first view, if all of them begin with its resize."""
    if len({resize_of(view) for view in views}) > 1:
        sizes = ", ".join(dict.fromkeys(f"{v.resize} {v.interpolation}" for v in views))
        rule = "used for views of one resize, because it resizes images itself"
        raise BadParameter(expected(f"--loader {loader.name}", rule, sizes, "one protocol at a time may have one"))
    return views[0]
