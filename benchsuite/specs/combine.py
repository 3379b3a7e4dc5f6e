"""Rules that combine the logits of several views into one score per class, in float64."""

from __future__ import annotations

from collections.abc import Sequence
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
    """How views become one score: a ``rule``, the ``space`` it is applied in, and the weight of each view.

    ``average="equal"`` gives every view the same weight. ``"locations"`` weighs a dense view by the number of places in
    its score map, which is the mean over all places of all scales. A geometric mean of raw logits raises
    ``BadParameter``.
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
    """Softmax over the last axis, in float64 for any input dtype. (..., c) -> (..., c), sums to 1."""
    import numpy as np

    x = np.array(logits, dtype=np.float64)
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


def log_softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Logarithm of the softmax over the last axis, in float64. (..., c) -> (..., c)."""
    import numpy as np

    x = np.array(logits, dtype=np.float64)
    x -= x.max(axis=-1, keepdims=True)
    x -= np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return x


def combine(logits: NDArray[Any], how: Combine, locations: NDArray[Any]) -> NDArray[np.float64]:
    """Scores of n samples from the logits of v views. (n, v, c) float, (n, v) int -> (n, c) float64.

    In the space ``prob`` the scores are probabilities and each row sums to 1, except with the rule ``max``; in the
    space ``logit`` the scores are logits.
    """
    values = in_space(logits, how)
    return merge([values[:, view] for view in range(values.shape[1])], how, locations)


def in_space(logits: NDArray[Any], how: Combine) -> NDArray[np.float64]:
    """The values that a rule averages: logits, probabilities or log-probabilities, in float64. (..., c) -> (..., c).

    Rules of the same space use the same values, except the geometric mean, so several protocols can share them.
    """
    import numpy as np

    if how.rule == "geometric":
        return log_softmax(logits)
    return softmax(logits) if how.space == "prob" else np.asarray(logits, dtype=np.float64)


def merge(values: Sequence[NDArray[np.float64]], how: Combine, locations: NDArray[Any]) -> NDArray[np.float64]:
    """Scores from the values of ``in_space`` for v views, in order. v arrays (n, c), (n, v) int -> (n, c) float64."""
    import numpy as np

    if how.rule == "max":
        return np.asarray(np.maximum.reduce(values))
    weights: Any = [1 / len(values)] * len(values)
    if how.average == "locations":
        w = np.asarray(locations, dtype=np.float64)
        weights = (w / w.sum(axis=1, keepdims=True)).T[:, :, None]
    total = values[0] * weights[0]
    part = np.empty_like(total)
    for value, weight in zip(values[1:], weights[1:], strict=True):
        total += np.multiply(value, weight, out=part)
    return softmax(total) if how.rule == "geometric" else total
