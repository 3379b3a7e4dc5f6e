"""An evaluation and a training on two pretended CUDA devices, in one process or in those that ``torchrun`` starts.

python pretended_cards.py RESULTS

Prints a JSON object: the rows, the devices that this process asked for, and that of its loader. The CPU computes.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import crash_plugin
import torch
import toy_training
from scripts import loaded

from benchsuite import load_plugins
from benchsuite.evaluation.question import RunRequest
from benchsuite.progress import Progress
from benchsuite.runs.run import run
from benchsuite.training.job import TrainRequest
from benchsuite.training.run import train

IMAGES = 1100


def main(results: Path) -> None:
    """Evaluates three chunks of specks, then trains the toy."""
    asked = list[str]()
    loaded("benchmarks/gpu/pretend.py").install()
    torch.cuda.device_count = lambda: 2

    def told(function: Any) -> Any:
        return lambda device, *rest: (asked.append(str(device)), function(device, *rest))[1]

    torch.cuda.get_device_name = told(torch.cuda.get_device_name)
    torch.cuda.set_device = told(torch.cuda.set_device)
    loads, catalog = list[str](), load_plugins(entry_points=False, extra=[crash_plugin])
    logged = catalog.loaders["logged"]
    placed = dataclasses.replace(logged, on=lambda device: (loads.append(device), logged)[1])
    catalog = dataclasses.replace(catalog, loaders={**catalog.loaders, "logged": placed})
    request = RunRequest(
        ("speck",),
        ("1crop",),
        data=f"specks:{IMAGES}",
        weights="random",
        device="cuda",
        precision="fp32",
        loader="logged",
        batch_size=64,
        results=results,
    )
    rows = run(request, catalog, Progress())
    ran, asked = [*dict.fromkeys(asked)], []
    training = TrainRequest("tiny", "quiet", device="cuda", precision="fp32", results=results)
    trained = train(training, toy_training.catalog(), Progress())
    print(json.dumps({"rows": rows, "run": ran, "loads": loads, "trained": trained, "train": [*dict.fromkeys(asked)]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
