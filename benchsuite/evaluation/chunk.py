"""A chunk of images while its logits are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from benchsuite.models.predict import Places
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import View
from benchsuite.storage.logit_cache import ChunkStore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Logits = tuple[NDArray[np.float32], NDArray[np.int64]]
    """(n, c) logits of a view, and (n,): the number of places that each row is a mean of."""


class ChunkInProgress:
    """A chunk while it is computed: ``logits`` holds the views that are done, ``views`` are those still to compute.

    ``key`` is the chunk's name in its store, ``names`` are those of its views. ``read`` is set once it is checked that
    each of its images has been read once.
    """

    def __init__(
        self, samples: Sequence[Sample], key: str, names: Mapping[View, str], cached: dict[View, Logits]
    ) -> None:
        self.samples, self.key, self.names, self.logits = samples, key, names, cached
        self.views = tuple(v for v in names if v not in cached)
        self.read = False
        self._missing = len(samples) * len(self.views)
        self._logits: NDArray[np.float32] | None = None
        self._places = np.zeros((len(samples), len(self.views)), dtype=np.int64)

    @property
    def done(self) -> bool:
        """Whether every image has been read, and every view of it has its logits."""
        return self.read and not self._missing

    def put(self, samples: Sequence[int], views: Sequence[int], scores: NDArray[np.float32], places: Places) -> None:
        """Stores (n, c) scores, each of one view of one sample, given by their indices in this chunk."""
        if self._logits is None:
            self._logits = np.full((*self._places.shape, scores.shape[1]), np.nan, dtype=np.float32)
        where: Any = list(samples), list(views)
        self._logits[where], self._places[where] = scores, places
        self._missing -= len(samples)

    def write(self, store: ChunkStore) -> None:
        """Writes the computed views to the store, once the chunk is ``done``."""
        assert self._logits is not None, "a chunk has samples"
        for i, view in enumerate(self.views):
            self.logits[view] = self._logits[:, i], self._places[:, i]
            store.write(self.names[view], self.key, *self.logits[view], group=[self.names[v] for v in self.views])
