"""Trains the toys as a program of its own, which a test kills, starts again, or starts several of.

python training_program.py RESULTS RECIPE[,RECIPE] SECONDS_A_STEP EVERY
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import toy_training

from benchsuite.progress import Progress
from benchsuite.training import run
from benchsuite.training.job import TrainRequest


class Slow(Progress):
    """Takes its time after each step, and says so."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def advance(self, steps: int, detail: str = "") -> None:
        print("step", flush=True)
        time.sleep(self.seconds)


if __name__ == "__main__":
    results, recipes, seconds, every = sys.argv[1:]
    run.EVERY = run.TIMES = float(every)
    for recipe in recipes.split(","):
        asked = TrainRequest("tiny", recipe, device="cpu", precision="fp32", results=Path(results))
        print(json.dumps(run.train(asked, toy_training.catalog(), Slow(float(seconds)))))
