"""What checks have in common: the device, networks on it, and whole evaluations."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from gpu_check import made_up
from gpu_check.made_up import Sizes

from benchsuite import Crop, View, load_plugins
from benchsuite.evaluation.question import TOLERANCE, RunRequest
from benchsuite.models.device import Compute
from benchsuite.models.network import Network, open_network
from benchsuite.models.precision import candidates
from benchsuite.progress import Progress
from benchsuite.runs import run as runs
from benchsuite.runs.plan import plan


@dataclass(frozen=True)
class Pass:
    """An evaluation under one protocol: its predictions, its counts, where its time went, and the clock's seconds."""

    columns: dict[str, Any]
    counts: dict[str, int]
    manifest: dict[str, Any]
    clock: float

    @property
    def rate(self) -> float:
        """Images per second from the first image read to the last scores."""
        return float(self.manifest["images_per_second"])

    @property
    def errors(self) -> str:
        """Top-1 and top-5 errors."""
        return f"{self.counts['top1_errors']}/{self.counts['top5_errors']}"


@dataclass
class Bench:
    """The device ``name`` of the check, and how much is computed. ``pace`` multiplies the seconds that checks need."""

    name: str
    sizes: Sizes
    pace: float = 1.0
    rates: dict[str, float] = field(default_factory=dict)
    opened: dict[tuple[str, str], Network] = field(default_factory=dict)

    @property
    def cuda(self) -> bool:
        """Whether it is a CUDA device, also a pretended one."""
        return self.name == "cuda"

    @property
    def real(self) -> bool:
        """Whether it is a CUDA device that exists."""
        return self.cuda and "GPU_CHECK_PRETEND" not in os.environ

    @property
    def lower(self) -> str:
        """The precision in which speed is measured."""
        return "bf16" if self.cuda else "fp32"

    @property
    def precisions(self) -> tuple[str, ...]:
        """float32 and the precisions below it that the device has."""
        return ("fp32", *reversed(candidates(self.name)))

    @property
    def crop(self) -> View:
        """The centre crop."""
        return View(self.sizes.resize, Crop(self.sizes.crop))

    @property
    def dense(self) -> View:
        """The whole image, for a score map."""
        return View(self.sizes.resize, dense=True, nominal=self.sizes.crop)

    @functools.cached_property
    def catalog(self) -> Any:
        """The plugins, with that of the check."""
        return load_plugins()

    def free(self) -> None:
        """Gives the memory of finished checks back."""
        if self.cuda:
            torch.cuda.empty_cache()

    def wait(self) -> None:
        """Returns when the device has done what was asked of it."""
        if self.cuda:
            torch.cuda.synchronize()

    def network(self, precision: str = "fp32", device: str | None = None) -> Network:
        """A network with the prepared weights, for crops and score maps; opened once in a stage."""
        key = precision, device or self.name
        if key not in self.opened:
            self.opened[key] = self.new_network(*key)
        return self.opened[key]

    def new_network(self, precision: str, device: str, *, compiled: bool = False) -> Network:
        """A network that is opened for one check."""
        how = self.sizes
        architecture = self.catalog.architecture("made-up-net")
        module = architecture.build(how.classes)
        module.load_state_dict(torch.load(made_up.work() / "weights.pth", weights_only=True))
        compute = Compute(device, precision, compiled)
        return open_network(architecture, module, how.preprocess, (self.crop, self.dense), how.classes, compute)

    def request(self, protocols: Sequence[str], **options: Any) -> RunRequest:
        """A request to evaluate the network on the pictures; by default in float32, computed afresh."""
        usual = {"data": "made-up", "weights": str(made_up.work() / "weights.pth"), "device": self.name}
        usual |= {"precision": "fp32", "fresh": True, "results": made_up.work() / "results"}
        return RunRequest(("made-up-net",), tuple(protocols), **usual | options)

    def evaluate(self, protocols: Sequence[str], **options: Any) -> dict[str, Pass]:
        """Evaluations as of ``benchsuite run``, by protocol, without files of results."""
        request, passes = self.request(protocols, **options), {}
        questions = plan(request, self.catalog)
        begun = time.perf_counter()
        for answer, manifest in runs._work(request, questions, Progress()):
            clock = time.perf_counter() - begun
            passes[answer.question.bound.label] = Pass(dict(answer.columns), answer.counts, manifest, clock)
        return passes


def softmax(logits: Any) -> Any:
    """(n, c) -> (n, c) float64."""
    x = np.exp(logits.astype(np.float64) - logits.max(1, keepdims=True))
    return x / x.sum(1, keepdims=True)


def apart(one: Any, other: Any) -> float:
    """The largest difference of logits, relative to the largest logit."""
    return float(np.abs(one - other).max() / np.abs(one).max())


def beyond_ties(one: Pass, other: Pass, precision: str) -> tuple[int, int]:
    """How many images have another top-1 class, and how many of these are no near ties."""
    changed = one.columns["top5"][:, 0] != other.columns["top5"][:, 0]
    gap = np.abs(one.columns["probability5"][:, 0] - one.columns["probability5"][:, 1])
    return int(changed.sum()), int((changed & (gap > TOLERANCE[precision])).sum())
