"""``benchsuite train`` of which only the second process fails, after two steps; for ``torchrun``.

python failing_training.py RESULTS
"""

from __future__ import annotations

import os
import sys

import toy_training

from benchsuite import BenchsuiteError
from benchsuite.cli import main, train
from benchsuite.training.trainer import Trainer

REASON = "Expected the loss to be a number, got nan"

if __name__ == "__main__":
    train.load_plugins = toy_training.catalog
    step = Trainer.advance

    def advance(trainer: Trainer) -> bool:
        """A step, or the error."""
        if trainer.step == 2 and os.environ["RANK"] == "1":
            raise BenchsuiteError(REASON)
        return step(trainer)

    Trainer.advance = advance
    sys.exit(main(["train", "tiny", "--recipe", "quiet", "--device", "cpu", "--results", sys.argv[1]]))
