"""Samples and predictions of a few images, made by benchsuite's own functions."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special

from benchsuite import Combine, Sample
from benchsuite.evaluation.predictions import rows

PROB, LOGIT = Combine("mean", "prob"), Combine("mean", "logit")
MANIFEST = {"run_id": "a-1", "note": "größer", "n": 6}


def samples(n: int, classes: int = 7) -> tuple[Sample, ...]:
    return tuple(Sample(f"id-{i:03d}", (3 * i) % classes, f"file {i}") for i in range(n))


def columns(n: int = 6, classes: int = 7, how: Combine = LOGIT, seed: int = 0) -> dict[str, Any]:
    scores = np.random.default_rng(seed).normal(size=(n, classes))
    return rows(samples(n, classes), scores if how.space == "logit" else scipy.special.softmax(scores, axis=1), how)
