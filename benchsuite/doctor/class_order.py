"""Are the classes of a data set in the order that a network knows? Its answers tell where the labels should be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.doctor.findings import Finding, brief, number
from benchsuite.stats import significance
from benchsuite.stats.digits import percent
from benchsuite.stats.metrics import Count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


SURE = 1e-3
"""How improbable a better order has to be, if by chance."""
ENOUGH = 5
"""Images of a class that are needed to say that it is swapped with another."""
DEVKIT = ("meta.mat", "data/meta.mat", "ILSVRC2012_devkit_t12/data/meta.mat")


@dataclass(frozen=True, slots=True)
class ClassOrder:
    """How a network's answers fit the labels. ``known`` holds the best other order: its name, and its hits.

    ``fitted`` is the best order of all, found on one half of the images: its hits on the other half, beside those
    of the labels as they are (None: too few images). ``better`` names what fits better than the labels, beyond chance:
    ``known``, ``fitted`` (twice as many hits), ``partly`` (fitted, fewer: it may be what the network confuses) or
    nothing. ``moved`` are pairs (label, class that its images look like) of that order, ``rings`` labels most of whose
    images look like the next one's class, and those of the last like the first's: two that are swapped, or more.
    ``blind``: answers are no better than chance. ``ample`` is how many classes have images enough for a ring.
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
    """The order of the classes, from (n,) labels and (n,) answers.

    ``orders`` are those that labels are known to come in by mistake: the class that each label would stand for.
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
    found = {
        "labels counted from 1, as MATLAB counts": [(i - 1) % len(classes) for i in every],
        "labels one too low": [(i + 1) % len(classes) for i in every],
        "classes sorted by their readable names": sorted(every, key=lambda i: classes[i].casefold()),
        "classes sorted by their readable names, capitals first": sorted(every, key=lambda i: classes[i]),
        "numbers sorted as text (0, 1, 10, 100 ...)": sorted(every, key=str),
    }
    return {name: order for name, order in found.items() if order != list(every)}


def devkit_order(root: Path) -> dict[str, list[int]]:
    """The order of ImageNet's development kit, from its ``meta.mat`` in a folder or beside it; empty without one.

    A class index is the rank of a WordNet id among the 1000, so that no other list is needed.
    """
    for place in (root, root.parent):
        for name in DEVKIT:
            if (place / name).is_file():
                return _from_meta(place / name)
    return {}


def _from_meta(file: Path) -> dict[str, list[int]]:
    from scipy.io import loadmat

    try:
        rows = loadmat(file, squeeze_me=True)["synsets"]
        leaves = {int(r["ILSVRC2012_ID"]): str(r["WNID"]) for r in rows if int(r["num_children"]) == 0}
    except Exception:  # a file of another kind: then this order is not tried
        return {}
    ids = [leaves[number] for number in sorted(leaves)]
    rank = {wnid: i for i, wnid in enumerate(sorted(ids))}
    return {f"ILSVRC2012_ID of the development kit ({file.name})": [rank[wnid] for wnid in ids]}


def _fitted(
    labels: NDArray[Any], answers: NDArray[Any], classes: int
) -> tuple[tuple[NDArray[np.bool_], NDArray[np.bool_]] | None, NDArray[np.int64]]:
    """The best order on every second image of each class, and what it hits of the others beside what labels hit.

    -> ((m,) bool, (m,) bool) or None, and (c,) int. Among equals it leaves a class where it is.
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
    """Labels most of whose images look like the next one's class, in a ring. Each begins with its lowest label."""
    import numpy as np

    wins: dict[int, int] = {}
    for c in np.unique(labels):
        votes = np.bincount(answers[labels == c], minlength=classes)
        if votes.sum() >= ENOUGH and votes.max() * 2 > votes.sum():
            wins[int(c)] = int(votes.argmax())
    found = []
    for start in wins:
        ring = [start]
        while (following := wins.get(ring[-1])) is not None and following > start and following not in ring:
            ring.append(following)
        if following == start and len(ring) > 1:
            found.append(tuple(ring))
    return tuple(found)


def _beats(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> bool:
    """Whether one order hits more images than another, beyond chance."""
    fixed, broken = int((one & ~other).sum()), int((other & ~one).sum())
    return fixed > broken and significance.mcnemar(fixed, broken) < SURE


def _count(hits: NDArray[np.bool_]) -> Count:
    return Count(int(hits.sum()), len(hits))


def order(found: ClassOrder | None, network: str, classes: Sequence[str]) -> list[Finding]:
    """Whether the classes are in the order that a network knows."""
    if found is None:
        advice = "--model NAME shows a network some images and compares its answers"
        return [Finding("class order", "skipped", "not asked of a network", advice)]
    there = f"{network} agrees with the labels of {found.hits.hits:,} of {number(found.hits.total, 'image')}"
    there += f" ({percent(found.hits)} %)"
    names = [brief(name) for name in classes]
    return [_wrong(found, there, names) or _right(found, there, names)]


def _wrong(found: ClassOrder, there: str, names: Sequence[str]) -> Finding | None:
    """What fails: another order, answers of chance, or classes that changed places."""
    if found.better == "known" and found.known:
        name, hits = found.known
        text = f"{there}, but with {hits.hits:,} if they were in this order: {name}"
        advice = "Write the labels in the order of the sorted WordNet ids, or of the classes that the network knows"
        return Finding("class order", "failed", text, advice, _moved(found, names))
    if found.better == "fitted":
        text = f"{there}; the classes are permuted: {_fit(found)}"
        advice = "Look for the list that the labels were made with"
        return Finding("class order", "failed", text, advice, _moved(found, names))
    if found.blind:
        text = f"{there}, which is no better than chance: the labels are mixed up, or the network knows other classes"
        return Finding("class order", "failed", text, "Try other weights; if they agree no better, get labels again")
    if found.rings:
        rings = tuple(" and ".join(names[c] for c in ring) for ring in found.rings)
        n = number(sum(map(len, found.rings)), "class")
        text = f"{there}; {n} seem to have changed places: most images of each look like another of them"
        return Finding("class order", "failed", text, "Look at the images of these classes", rings)
    return None


def _right(found: ClassOrder, there: str, names: Sequence[str]) -> Finding:
    """What fails nothing: a better order that the network's own confusion may explain, or none."""
    if found.better == "partly":
        moved = _moved(found, names)
        text = f"{there}; {number(len(moved), 'class')} fit another one better: {_fit(found)}"
        advice = "Look at these classes: either the network confuses them, or their labels are mixed up"
        return Finding("class order", "note", text, advice, moved)
    advice = "" if found.ample else f"Two classes that changed places show from {ENOUGH} images of each on: --images N"
    return Finding("class order", "ok", f"{there}, and no other order fits better", advice)


def _fit(found: ClassOrder) -> str:
    assert found.fitted is not None
    fit, plain = found.fitted
    return (
        f"on images that it was not found on, another order hits {fit.hits:,} of {fit.total:,}, "
        f"and the labels {plain.hits:,}"
    )


def _moved(found: ClassOrder, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{names[a]} looks like {names[b]}" for a, b in found.moved)
