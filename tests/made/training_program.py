"""Trains the toys in a process of its own. Tests kill it, start it again, or start several at once.

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
    """Prints ``step`` and waits after each step."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    def advance(self, steps: int, detail: str = "") -> None:
        print("step", flush=True)
        time.sleep(self.seconds)


if __name__ == "__main__":
    results, recipes, seconds, every = sys.argv[1:]
    run.EVERY = run.TIMES = float(every)
    for recipe in recipes.split(","):
        request = TrainRequest("tiny", recipe, device="cpu", precision="fp32", results=Path(results))
        print(json.dumps(run.train(request, toy_training.catalog(), Slow(float(seconds)))))
