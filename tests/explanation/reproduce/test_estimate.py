"""Tests of the estimate of a training: its number of steps, and the time of each."""

from __future__ import annotations

import itertools

import pytest
import toy_training

from benchsuite.explanation.reproduce import estimate
from benchsuite.training.job import TrainRequest, plan


@pytest.mark.parametrize(("recipe", "scale"), [("usual", "full"), ("usual", "mini"), ("experiment", "full")])
def test_every_step_takes_as_long_as_the_first_few(
    recipe: str, scale: str, monkeypatch: pytest.MonkeyPatch, one_thread: None
) -> None:
    request = TrainRequest("tiny", recipe, scale=scale, device="cpu", precision="fp32")
    job = plan(request, toy_training.catalog())
    clock = itertools.count(0, 6 * estimate.TIMED)
    monkeypatch.setattr("benchsuite.explanation.reproduce.estimate.time.perf_counter", lambda: next(clock))
    each = -(-len(job.learned) * job.recipe.passes // job.recipe.batch_size)
    assert estimate.seconds(job, request) == 6 * each * job.recipe.epochs
