"""Checks with a network's predictions whether a data set's classes are in the order that the network knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.data.matlab import matlab_structs
from benchsuite.doctor.findings import brief, looks_like, number
from benchsuite.doctor.kinds import Finding, found
from benchsuite.stats import significance
from benchsuite.stats.digits import percent
from benchsuite.stats.metrics import Count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


SURE = 1e-3
"""Significance level: p-value below which another order is better than the labels, or predictions beat chance."""
ENOUGH = 5
"""Images that a class needs to be reported as swapped with another."""
DEVKIT = ("meta.mat", "data/meta.mat", "ILSVRC2012_devkit_t12/data/meta.mat")


@dataclass(frozen=True, slots=True)
class ClassOrder:
    """How well a network's predictions fit the labels: ``hits`` counts the images where they agree.

    ``known`` is the best of the usual mistakes: its name and its hits. ``fitted`` is the best of all orders, found on
    one half of the images: its hits on the other half, and those of the labels (None: too few images). ``better`` names
    what fits significantly better than the labels: ``known``, ``fitted`` (at least twice as many hits as the labels),
    ``partly`` (fitted, but fewer hits: the network may confuse these classes) or empty. ``moved`` are pairs (label,
    class that its images look like) of that order. ``rings`` are cycles of labels: most images of each look like the
    class of the next, those of the last like the first; a cycle of two is a swap. ``blind``: the predictions are no
    better than chance. ``ample``: the number of classes with enough images to be found in a ring.
    """

    hits: Count
    known: tuple[str, Count] | None
    fitted: tuple[Count, Count] | None
    better: str
    moved: tuple[tuple[int, int], ...]
    rings: tuple[tuple[int, ...], ...]
    blind: bool
    ample: int


def judge(labels: NDArray[Any], answers: NDArray[Any], orders: Mapping[str, Sequence[int]], classes: int) -> ClassOrder:
    """Judges the order of the classes from (n,) labels and (n,) predicted classes, ``answers``.

    ``orders`` are the usual mistakes by name: the class that each label would stand for.
    """
    import numpy as np

    right = answers == labels
    tried = {name: np.asarray(order)[labels] == answers for name, order in orders.items()}
    name = max(tried, key=lambda n: int(tried[n].sum()), default=None)
    known = (name, _count(tried[name])) if name is not None else None
    fitted, order = _fitted(labels, answers, classes)
    better, moved = "", np.arange(classes)
    if name is not None and _beats(tried[name], right):
        better, moved = "known", np.asarray(orders[name])
    elif fitted is not None and _beats(*fitted):
        better, moved = ("fitted" if fitted[0].sum() >= 2 * fitted[1].sum() else "partly"), order
    present = np.unique(labels)
    hits = _count(right)
    chance = 1 - significance.binomial_tail(hits.hits - 1, hits.total, 1 / classes) if hits.hits else 1.0
    return ClassOrder(
        hits,
        known,
        (_count(fitted[0]), _count(fitted[1])) if fitted else None,
        better,
        tuple((int(c), int(moved[c])) for c in present if moved[c] != c),
        _rings(labels, answers, classes),
        blind=chance > SURE,
        ample=int((np.bincount(labels, minlength=classes) >= ENOUGH).sum()),
    )


def usual_mistakes(classes: Sequence[str]) -> dict[str, list[int]]:
    """The orders that labels come in by mistake: name -> the class that each label would stand for."""
    every = range(len(classes))
    orders = {
        "labels counted from 1, as MATLAB counts": [(i - 1) % len(classes) for i in every],
        "labels one too low": [(i + 1) % len(classes) for i in every],
        "classes sorted by their readable names": sorted(every, key=lambda i: classes[i].casefold()),
        "classes sorted by their readable names, capitals first": sorted(every, key=lambda i: classes[i]),
        "numbers sorted as text (0, 1, 10, 100 ...)": sorted(every, key=str),
    }
    return {name: order for name, order in orders.items() if order != list(every)}


def devkit_order(root: Path) -> dict[str, list[int]]:
    """The order of ImageNet's development kit, from its ``meta.mat`` in a folder or in the parent; empty without one.

    The class index is the rank of the WordNet id among the 1000, so no other list is needed.
    """
    for place in (root, root.parent):
        for name in DEVKIT:
            if (place / name).is_file():
                return _from_meta(place / name)
    return {}


def _from_meta(file: Path) -> dict[str, list[int]]:
    try:
        rows = [row for row in matlab_structs(file.read_bytes(), "synsets") if row["num_children"] == 0]
        leaves = {int(row["ILSVRC2012_ID"] or 0): str(row["WNID"]) for row in rows}
    except (OSError, ValueError, KeyError):  # not the file of the development kit: this order is not tried
        return {}
    ids = [leaves[number] for number in sorted(leaves)]
    rank = {wnid: i for i, wnid in enumerate(sorted(ids))}
    return {f"ILSVRC2012_ID of the development kit ({file.name})": [rank[wnid] for wnid in ids]}


def _fitted(
    labels: NDArray[Any], answers: NDArray[Any], classes: int
) -> tuple[tuple[NDArray[np.bool_], NDArray[np.bool_]] | None, NDArray[np.int64]]:
    """Finds the best order on every second image of each class, and compares it with the labels on the m others.

    -> (hits of the order (m,) bool, hits of the labels (m,) bool), or None if no class has two images; and the order
    (c,) int. Among equally good orders, classes stay in their place.
    """
    import numpy as np
    from scipy.optimize import linear_sum_assignment

    turn = np.zeros(len(labels), dtype=np.int64)
    for c in np.unique(labels):
        at = np.flatnonzero(labels == c)
        turn[at] = np.arange(len(at)) % 2
    first, second = turn == 0, turn == 1
    if not second.any():
        return None, np.arange(classes)
    votes = np.zeros((classes, classes))
    np.add.at(votes, (labels[first], answers[first]), 2)
    _, order = linear_sum_assignment(votes + np.eye(classes), maximize=True)
    return (order[labels[second]] == answers[second], labels[second] == answers[second]), np.asarray(order)


def _rings(labels: NDArray[Any], answers: NDArray[Any], classes: int) -> tuple[tuple[int, ...], ...]:
    """Cycles of labels: most images of each look like the class of the next. Each begins with its lowest label."""
    import numpy as np

    wins: dict[int, int] = {}
    for c in np.unique(labels):
        votes = np.bincount(answers[labels == c], minlength=classes)
        if votes.sum() >= ENOUGH and votes.max() * 2 > votes.sum():
            wins[int(c)] = int(votes.argmax())
    rings = []
    for start in wins:
        ring = [start]
        while (following := wins.get(ring[-1])) is not None and following > start and following not in ring:
            ring.append(following)
        if following == start and len(ring) > 1:
            rings.append(tuple(ring))
    return tuple(rings)


def _beats(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Whether one order hits significantly more images than another."""
    fixed, broken = int((one & ~other).sum()), int((other & ~one).sum())
    return fixed > broken and significance.mcnemar(fixed, broken) < SURE


def _count(hits: NDArray[np.bool_]) -> Count:
    return Count(int(hits.sum()), len(hits))


def order(judged: ClassOrder | None, network: str, classes: Sequence[str]) -> list[Finding]:
    """The finding on the class order: whether it is the one that the network was trained with."""
    if judged is None:
        return [found("no-network")]
    agreement = f"{network} agrees with the labels of {judged.hits.hits:,} of {number(judged.hits.total, 'image')}"
    agreement += f" ({percent(judged.hits)} %)"
    return [_order(judged, agreement, [brief(name) for name in classes])]


def _order(judged: ClassOrder, agreement: str, names: Sequence[str]) -> Finding:
    """A failure if another order fits better, predictions are no better than chance, or classes are swapped; a note on
    an order that fits better but that the network's own confusion may explain; else ok.
    """
    moved = [looks_like(names[a], names[b]) for a, b in judged.moved]
    if judged.better == "known" and judged.known:
        name, hits = judged.known
        return found("usual-mistake", moved, agreement=agreement, hits=hits.hits, name=name)
    if judged.better == "fitted":
        return found("permuted", moved, agreement=agreement, fit=_fit(judged))
    if judged.blind:
        return found("chance", agreement=agreement)
    if judged.rings:
        rings = [" and ".join(names[c] for c in ring) for ring in judged.rings]
        return found(
            "swapped-classes", rings, agreement=agreement, classes=number(sum(map(len, judged.rings)), "class")
        )
    if judged.better == "partly":
        return found(
            "partly-permuted", moved, agreement=agreement, classes=number(len(moved), "class"), fit=_fit(judged)
        )
    return found("best-order" if judged.ample else "few-of-a-class", agreement=agreement, enough=ENOUGH)


def _fit(judged: ClassOrder) -> str:
    assert judged.fitted is not None
    fit, plain = judged.fitted
    return (
        f"another order, found on half of the images, is right for {fit.hits:,} of the other {fit.total:,}, "
        f"and the labels for {plain.hits:,}"
    )
