"""What a network's answers say about the order of the classes, in words. Pure functions; nothing is read here."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite.class_order import ENOUGH, Order
from benchsuite.doctor import Finding, brief, number
from benchsuite.stats.digits import percent


def order(found: Order | None, network: str, classes: Sequence[str]) -> list[Finding]:
    """Whether the classes are in the order that a network knows."""
    if found is None:
        advice = "--model NAME shows a network some images and compares its answers"
        return [Finding("class order", "skipped", "not asked of a network", advice)]
    there = f"{network} agrees with the labels of {found.hits.hits:,} of {number(found.hits.total, 'image')}"
    there += f" ({percent(found.hits)} %)"
    names = [brief(name) for name in classes]
    return [_wrong(found, there, names) or _right(found, there, names)]


def _wrong(found: Order, there: str, names: Sequence[str]) -> Finding | None:
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


def _right(found: Order, there: str, names: Sequence[str]) -> Finding:
    """What fails nothing: a better order that the network's own confusion may explain, or none."""
    if found.better == "partly":
        moved = _moved(found, names)
        text = f"{there}; {number(len(moved), 'class')} fit another one better: {_fit(found)}"
        advice = "Look at these classes: either the network confuses them, or their labels are mixed up"
        return Finding("class order", "note", text, advice, moved)
    advice = "" if found.ample else f"Two classes that changed places show from {ENOUGH} images of each on: --images N"
    return Finding("class order", "ok", f"{there}, and no other order fits better", advice)


def _fit(found: Order) -> str:
    assert found.fitted is not None
    fit, plain = found.fitted
    return (
        f"on images that it was not found on, another order hits {fit.hits:,} of {fit.total:,}, "
        f"and the labels {plain.hits:,}"
    )


def _moved(found: Order, names: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{names[a]} looks like {names[b]}" for a, b in found.moved)
