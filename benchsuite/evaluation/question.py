"""What an evaluation answers: networks, views, samples, precision, as frozen values."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from benchsuite.models.weights import ChosenWeights
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.combine import Combine
from benchsuite.specs.dataset import Dataset, Sample, Split
from benchsuite.specs.loader import Loader
from benchsuite.specs.parameters import Bound
from benchsuite.specs.view import View
from benchsuite.storage import keys

TOLERANCE = {"fp32": 1e-5, "tf32": 2e-3, "bf16": 2e-2, "fp16": 2e-3}
"""How close two scores may be before rounding in the forward pass could swap them: a near tie."""


@dataclass(frozen=True, slots=True)
class Member:
    """One network of a question: where its weights come from, its views, and how they are merged."""

    architecture: Architecture
    owner: str
    chosen: ChosenWeights
    views: tuple[View, ...]
    combine: Combine

    @property
    def identity(self) -> tuple[str, str]:
        """What makes two members the same network."""
        return self.architecture.name, self.chosen.key


@dataclass(frozen=True, slots=True)
class Question:
    """One run: networks, a protocol, samples. ``asked`` is what the run's id is a digest of.

    ``chosen`` are the decisions of ``--precision auto`` behind the precision, one for each network; else none.
    """

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
    asked: dict[str, Any]
    chosen: tuple[dict[str, Any], ...] = ()

    @property
    def architecture(self) -> str:
        """The network's name, or the members of an ensemble joined by +."""
        return "+".join(m.architecture.name for m in self.members)

    @property
    def weights(self) -> str:
        """The label of the weights, one for each member."""
        return "+".join(m.chosen.label for m in self.members)


def at_precision(question: Question, precision: str, chosen: tuple[dict[str, Any], ...]) -> Question:
    """The same question in another precision, which decisions of ``--precision auto`` came to."""
    about = {**question.asked, "precision": precision}
    run_id = keys.run_id(question.architecture, question.bound.label, question.split.name, about)
    return dataclasses.replace(question, run_id=run_id, precision=precision, asked=about, chosen=chosen)
