"""A frequency analysis in plain sentences, for the terminal and for the page."""

from __future__ import annotations

import re

from benchsuite.explanation import ledger
from benchsuite.explanation.frequency.analysis import FrequencyAnalysis
from benchsuite.stats.digits import with_interval
from benchsuite.stats.metrics import Count

ARTICLE = "hfc-fig2-count"
"""The id of the article's count in the ledger."""


def question(architecture: str) -> str:
    """The question that an analysis answers."""
    return f"Which spatial frequencies does {architecture} use?"


def answer(found: FrequencyAnalysis) -> str:
    """The count that the article gives as well, here and there."""
    return f"{count(found)} {article()}"


def count(found: FrequencyAnalysis) -> str:
    """How many images are right only by their high frequencies."""
    counts = found.at_radius
    rate = percentage(found.accuracy(counts.swapped))
    verbs = ["is" if number == 1 else "are" for number in (counts.swapped, counts.swapped_right)]
    return (
        f"{counts.swapped:,} of {found.n:,} images ({rate}) {verbs[0]} wrong without their high frequencies and right "
        f"with nothing else (r={found.radius}); {counts.swapped_right:,} of them {verbs[1]} right as they are. With "
        f"these two accuracies, {round(counts.by_chance):,} would be by chance."
    )


def article() -> str:
    """The count that the article reports, from the ledger."""
    row = next(row for row in ledger.load() if row.id == ARTICLE)
    figure = re.search(r"about [\d,]+ of [\d,]+ images", row.source)
    assert figure, "the source of the figure states it"
    return f"The article reports {figure[0]} of CIFAR-10, with another network ({row.status}) [{row.id}]."


def energies(found: FrequencyAnalysis) -> str:
    """Within which radius half of each energy lies: ``lies within r=2 for pictures, r=15 for input gradient``."""
    words = [f"r={energy.half()} for {name}" for name, energy in found.measurement.energies]
    return f"lies within {', '.join(words)}" if words else "is nowhere, as all pictures are plain"


def attacked(found: FrequencyAnalysis) -> str:
    """The accuracy under the attack, or why nothing was attacked."""
    attack, measured = found.attack, found.measurement
    if attack is None:
        return f"No attack and no gradient: {found.left_out}."
    clean, right = (percentage(Count(right, attack.n)) for right in (attack.clean_right, attack.right))
    text = f"Accuracy under {attack.words}: {right} of {attack.n:,} images; {clean} without it."
    if measured.vanished:
        text += f" The gradient of {measured.vanished} images is zero everywhere: the attack says nothing about them."
    return text


def percentage(count: Count) -> str:
    """``6.17 % [5.71, 6.66]``."""
    return with_interval(count).replace(" [", " % [")
