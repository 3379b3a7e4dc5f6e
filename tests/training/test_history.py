"""What a training tells its progress: how long it will take, by its first steps, and the error of each epoch."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from recorded_progress import RecordedProgress

from benchsuite.training import history
from benchsuite.training.history import TIMED, Told

WRONG = [60, 30, 5]
"""The errors of the epochs, of 100 images each."""


class Steps:
    """A training of three epochs of eight steps that computes nothing: the numbers that ``Told`` reads."""

    steps, per_epoch, words = 24, 8, "loss 1"
    rest = SimpleNamespace(ahead=lambda step, steps: 2 * (steps - step))

    def __init__(self) -> None:
        self.step = 0

    @property
    def epoch(self) -> int:
        return -(-self.step // 8)

    @property
    def between_epochs(self) -> bool:
        return self.step % 8 == 0

    def epoch_counts(self) -> tuple[float, int, int]:
        return 0.5, WRONG[self.epoch - 1], 100


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that goes on only when it is told to."""
    now = SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(history, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    return now


def told(clock: SimpleNamespace, seconds: float, first: float) -> RecordedProgress:
    """What is told of a training whose first step takes ``first`` seconds, the others ``seconds``."""
    progress, training = RecordedProgress(), Steps()
    progress.start("training", training.steps)
    made: Any = Told(training, progress, clock.seconds)  # type: ignore[arg-type]
    for number in range(training.steps):
        clock.seconds += seconds if number else first
        training.step += 1
        made.advanced()
    made.ended()
    return progress


def test_the_time_is_measured_on_the_first_steps_without_the_very_first_and_those_ahead_may_cost_more(
    clock: SimpleNamespace,
) -> None:
    found = told(clock, seconds=2.0, first=30.0)
    assert found.done == found.total == 24
    assert found.notes[0] == f"this takes about {30 + 10 * 2 + 2 * 13 * 2} s, by its first {1 + TIMED} steps"
    assert found.notes[1:] == ["trained in 76 s; of the training images, 60.0 % wrong in epoch 1, 5.0 % in epoch 3"]
    assert told(clock, seconds=4.0, first=30.0).notes[0].startswith(f"this takes about {30 + 10 * 4 + 2 * 13 * 4} s")


def test_every_epoch_is_one_point(clock: SimpleNamespace) -> None:
    assert told(clock, 1.0, 1.0).points == [
        (float(wrong), f"epoch {number} of 3, loss 0.50") for number, wrong in enumerate(WRONG, 1)
    ]
