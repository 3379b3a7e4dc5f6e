"""Questions, which an evaluation answers: networks, views, samples and precision, as frozen values."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from benchsuite.models.weights import ChosenWeights
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.combine import Combine
from benchsuite.specs.dataset import Dataset, Sample, Split
from benchsuite.specs.loader import Loader
from benchsuite.specs.parameters import Bound
from benchsuite.specs.view import View, distinct
from benchsuite.storage import keys

MODULE = "a module in Python"
"""The owner of an architecture that is a module, which no plugin declares: only Python can evaluate it again."""

Identity = tuple[str, str]
"""Identifies a network: the architecture's name and the key of its weights."""

TOLERANCE = {"fp32": 1e-5, "tf32": 2e-3, "bf16": 2e-2, "fp16": 2e-3}
"""Two scores that differ by at most this are a near tie: rounding in the forward pass could swap them."""


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The arguments of ``run``, as the user typed them; None where an option was not given."""

    architectures: tuple[str, ...]
    protocols: tuple[str, ...]
    data: str | None = None
    weights: str | None = None
    loader: str = "torch"
    device: str = "auto"
    precision: str = "auto"
    batch_size: int | None = None
    workers: int | None = None
    compiled: bool = False
    limit: int | None = None
    seed: int = 0
    fresh: bool = False
    results: Path = Path("results")
    processes: int = 1
    transforms: tuple[str, ...] = ()
    preprocess: str | None = None
    resize_on: str = "auto"


@dataclass(frozen=True, slots=True)
class ImageSource:
    """Where the images of a pass come from: a split, and the loader that reads it."""

    split: Split
    loader: Loader


@dataclass(frozen=True, slots=True)
class Member:
    """One network of a question: the source of its weights, its views, and how their scores are merged."""

    architecture: Architecture
    owner: str
    weights: ChosenWeights
    views: tuple[View, ...]
    combine: Combine

    @property
    def identity(self) -> Identity:
        """Two members with the same identity are the same network."""
        return self.architecture.name, self.weights.key


@dataclass(frozen=True, slots=True)
class Question:
    """One run: networks, a protocol, samples, and the ``request`` that it was planned from.

    The digest in the run's id is that of ``identity``. ``precision_checks`` are the decisions of ``--precision
    auto`` behind the precision, one for each network; empty where the precision was not chosen by a check.
    """

    request: RunRequest
    run_id: str
    members: tuple[Member, ...]
    bound: Bound
    dataset: Dataset
    split: Split
    samples: tuple[Sample, ...]
    loader: Loader
    precision: str
    fingerprint: str
    data_digest: str
    identity: dict[str, Any]
    precision_checks: tuple[dict[str, Any], ...] = ()

    @property
    def attacked(self) -> bool:
        """Whether a view needs the gradient of the network."""
        return any(v.attacked for m in self.members for v in m.views)

    @property
    def images(self) -> ImageSource:
        """The split and the loader that the images of this question come from."""
        return ImageSource(self.split, self.loader)

    @property
    def architecture(self) -> str:
        """The network's name, or the members of an ensemble joined by +."""
        return "+".join(m.architecture.name for m in self.members)

    @property
    def weights(self) -> str:
        """The label of the weights, one for each member."""
        return "+".join(m.weights.label for m in self.members)


def networks(questions: Sequence[Question]) -> dict[Identity, tuple[Member, tuple[View, ...]]]:
    """Each distinct network of all questions, with the union of the views that it has to compute."""
    wanted: dict[Identity, tuple[Member, tuple[View, ...]]] = {}
    for member in chain.from_iterable(q.members for q in questions):
        _, views = wanted.get(member.identity, (member, ()))
        wanted[member.identity] = member, distinct(views + member.views)
    return wanted


def at_precision(question: Question, precision: str, checks: tuple[dict[str, Any], ...]) -> Question:
    """The same question in another precision; ``checks`` are the decisions of ``--precision auto`` that chose it."""
    identity = {**question.identity, "precision": precision}
    run_id = keys.run_id(question.architecture, question.bound.label, question.split.name, identity)
    return dataclasses.replace(question, run_id=run_id, precision=precision, identity=identity, precision_checks=checks)
