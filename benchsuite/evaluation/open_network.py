"""A network that is ready to compute, and what affects only the speed at which it does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from benchsuite.evaluation.input_pipeline import HELD_BYTES
from benchsuite.evaluation.timing import Seconds
from benchsuite.models.predict import Buffer, Predict, Resizer, Start
from benchsuite.specs.view import View
from benchsuite.storage.logit_cache import ChunkStore


@dataclass(slots=True)
class OpenNetwork:
    """A network that is ready to compute ``views``, the cache of its logits (``store``), and the time it took so far.

    ``start`` submits a batch and returns a function that waits for its scores; None if ``predict`` computes them at
    once. ``buffer`` returns arrays from which ``start`` makes no other copy on the host. ``resizer`` makes the views of
    images on the device; None where the host does. ``folded`` counts batch normalisations folded into convolutions;
    ``reading`` says what was done to a file of weights. ``busy()`` and ``pinning()`` return the seconds of computing,
    and of copying to pinned memory, so far.
    """

    predict: Predict
    views: tuple[View, ...]
    store: ChunkStore
    digest: str
    start: Start | None = None
    buffer: Buffer | None = None
    resizer: Resizer | None = None
    folded: int = 0
    reading: dict[str, Any] = field(default_factory=dict)
    busy: Callable[[], float] = float
    pinning: Callable[[], float] = float
    seconds: Seconds = field(default_factory=Seconds)


@dataclass(frozen=True, slots=True)
class Settings:
    """What affects only the speed. ``turn`` is held while the network computes; threads that resize wait for it.

    ``held`` is the bound in bytes on views that wait for others of their shape.
    """

    batch_size: int
    workers: int
    fresh: bool = False  # compute chunks again even if they are in the cache
    turn: AbstractContextManager[Any] = field(default_factory=nullcontext)
    held: int = HELD_BYTES
