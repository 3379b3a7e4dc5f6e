"""The rules that turn the logits of several views into one score per class, in float64."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from benchsuite.errors import BadParameter, expected

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Rule = Literal["mean", "geometric", "max"]
Space = Literal["logit", "prob"]
Average = Literal["equal", "locations"]


@dataclass(frozen=True, slots=True)
class Combine:
    """How views become one score: a ``rule``, the ``space`` it works in, and what each view weighs.

    ``average="equal"`` weighs every view the same; ``"locations"`` weighs a dense view by the places of its score map,
    which is the mean over all places of all scales. A geometric mean of raw logits is impossible.
    """

    rule: Rule = "mean"
    space: Space = "prob"
    average: Average = "equal"

    def __post_init__(self) -> None:
        for what, value, choices in (
            ("rule", self.rule, Rule),
            ("merge", self.space, Space),
            ("average", self.average, Average),
        ):
            if value not in get_args(choices):
                raise BadParameter(expected(what, f"one of {', '.join(get_args(choices))}", value))
        if self.rule == "geometric" and self.space == "logit":
            raise BadParameter(expected("merge", "prob for a geometric mean", "logit", "logits can be negative"))
        if self.rule == "max" and self.average == "locations":
            raise BadParameter(expected("average", "equal for the max rule", "locations", "a maximum has no weights"))

    def __str__(self) -> str:
        weighed = ", weighed by places" if self.average == "locations" else ""
        return f"{self.rule} of {self.space}s{weighed}"


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Softmax over the last axis, in float64 whatever comes in. (..., c) -> (..., c), sums to 1."""
    import numpy as np

    x = np.asarray(logits, dtype=np.float64)
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Logarithm of the softmax over the last axis, in float64. (..., c) -> (..., c)."""
    import numpy as np

    x = np.asarray(logits, dtype=np.float64)
    shifted = x - x.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))


def combine(logits: NDArray[Any], how: Combine, locations: NDArray[Any]) -> NDArray[np.float64]:
    """Scores of n samples from the logits of v views. (n, v, c) float, (n, v) int -> (n, c) float64.

    In the space ``prob`` the scores are probabilities whose rows sum to 1 (but for ``max``), else they are logits.
    """
    import numpy as np

    x = np.asarray(logits, dtype=np.float64)
    w = np.ones(x.shape[:2]) if how.average == "equal" else np.asarray(locations, dtype=np.float64)
    w = (w / w.sum(axis=1, keepdims=True))[:, :, None]
    if how.rule == "geometric":
        return softmax((log_softmax(x) * w).sum(axis=1))
    values = softmax(x) if how.space == "prob" else x
    return np.asarray(values.max(axis=1) if how.rule == "max" else (values * w).sum(axis=1))
