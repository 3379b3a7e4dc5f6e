"""Why published error rates of one model differ, from the ledger alone: what changed at each step, and what is open."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal, get_args

from benchsuite.errors import unknown_name
from benchsuite.explanation import ledger
from benchsuite.explanation.ladder import Factor
from benchsuite.explanation.ledger import Published, identity
from benchsuite.explanation.protocol_factors import shown
from benchsuite.explanation.reproduction import measured_by, parted_by
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.view import Interpolation

Verdict = Literal["one factor", "one stated factor", "confounded", "nothing stated", "same"]
"""What two figures allow to be said. ``one factor`` alone names a cause, and nothing is open.

``one stated factor``: the only one that both sources state, others are open. ``confounded``: several at once, which
cannot be parted. ``nothing stated``: they differ, and no source says in what. ``same``: one figure, printed twice.
"""

TESTING = ("protocol", "resize", "crop size", "interpolation", "rounding", "merge space", "mirror images")
"""Factors that a ladder can take apart, given the weights."""

FACTORS = ("weights", "variant", "recipe", *TESTING, "accounting", "evaluation code", "dataset")

UNSAID = ("variant", "recipe", "merge space", "mirror images")
"""Factors that are open between two sources even where neither says anything of them."""

SIZED = ("1crop", "10crop", "multicrop", "tta")
"""Protocols whose sizes are a factor of their own; those of the others belong to the protocol."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What lies between two figures. ``change`` is in percent points, exact to ``rounding``, the digits printed.

    ``open`` are factors that a source does not state. ``verdict`` says what may be concluded; ``unexplained`` is the
    part of the change for which the figures name no single cause.
    """

    before: str
    change: Decimal
    rounding: Decimal
    verdict: Verdict
    factors: tuple[Factor, ...]
    open: tuple[Factor, ...]
    unexplained: Decimal


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """One figure: its row, its depth below the first, what it is compared with, and how it is measured again.

    ``nearest`` is the difference from the figure with the fewest differences among those before it; ``across`` that
    from the first figure of another source under the same protocol, where that is not the nearest one. ``command``
    measures the figure again, ``ladder`` the step to it, a factor at a time, where only the test differs.
    """

    row: Published
    depth: int
    nearest: Difference | None
    across: Difference | None
    command: str | None
    ladder: str | None


def explain(model: str, catalog: Catalog, *, k: int = 1) -> tuple[PublishedFigure, ...]:
    """The published figures of one model at top-1 or top-5, each below the one that it differs least from.

    Raises ``UnknownName`` for a model without a figure.
    """
    known = [row for row in ledger.load() if row.architecture and row.error is not None and row.k == k]
    rows = [row for row in known if ledger.base(row.architecture) == ledger.base(model)]
    if not rows:
        raise unknown_name("model with published figures", model, {ledger.base(row.architecture) for row in known})
    return tuple(_lines(rows, _parents(rows), catalog))


def attributes(row: Published) -> dict[str, str | None]:
    """What a figure says of each factor, in a form that can be compared; empty if not stated, None if it has none.

    A figure that repeats another has the attributes of that one.
    """
    row = ledger.quoted(row) or row
    how = ledger.method(row)
    filters = [word for word in row.resize.split() if word in get_args(Interpolation)]
    sized, several = row.protocol in SIZED, row.protocol not in ("1crop", "")
    return {
        "weights": identity(row.architecture, row.weights)[1] if row.weights else row.run,
        "variant": ledger.variant(row),
        "recipe": ledger.plain(row.recipe),
        "protocol": " ".join(filter(None, (row.protocol, row.scales))),
        "resize": str(row.short_side or "") if sized else None,
        "crop size": row.crop if sized else None,
        "interpolation": filters[0] if filters else "",
        "rounding": how.rounding if sized else None,
        "merge space": how.merge if several else None,
        "mirror images": how.flip if several else None,
        "accounting": "" if row.accounting.startswith("unknown") else ledger.plain(row.accounting),
        "evaluation code": how.code,
        "dataset": row.dataset,
    }


def _words(row: Published, name: str) -> str:
    """A factor of a figure as a reader sees it: in the words of its source, where it has some."""
    row = ledger.quoted(row) or row
    found = attributes(row)[name]
    if not found:
        return "none" if found is None else "not stated"
    own = {
        "weights": row.weights or row.run,
        "variant": row.variant,
        "recipe": row.recipe,
        "accounting": row.accounting,
    }
    fields = {"merge space": "merge", "mirror images": "flip"}
    return own.get(name) or shown(fields.get(name, name), found == "true" if name == "mirror images" else found)


def difference(before: Published, after: Published) -> Difference:
    """What lies between two figures of one model, and what may be concluded from them alone.

    What only one of them has belongs to its protocol. The same weights are of one variant and recipe, whatever the
    sources call them. What neither states is open only for ``UNSAID``, and only between different weights.
    """
    a, b = attributes(before), attributes(after)
    same_weights = a["weights"] == b["weights"]
    trained = ("variant", "recipe") if same_weights and before.weights else ()
    differing: list[Factor] = []
    unknown: list[Factor] = []
    for name in (name for name in FACTORS if name not in trained):
        first, second = a[name], b[name]
        stated = bool(first and second)
        if None in (first, second) and (first == second or first or second or name not in UNSAID):
            continue
        if first == second and (stated or same_weights or name not in UNSAID):
            continue
        vague = not stated or (name == "variant" and _vaguer(str(first), str(second)))
        (unknown if vague else differing).append(Factor(name, _words(before, name), _words(after, name)))
    return _judged(before, after, differing, unknown)


def verdict_words(found: Difference) -> str:
    """What may be concluded from two figures, in words that claim no more than the sources allow."""
    factors = "; ".join(map(str, found.factors))
    return {
        "one factor": f"one factor: {factors}",
        "one stated factor": f"one stated factor: {factors}",
        "confounded": f"confounded, {len(found.factors)} factors at once, no single cause: {factors}",
        "nothing stated": "no source states what differs",
        "same": "the same figure, printed again",
    }[found.verdict]


def _vaguer(first: str, second: str) -> bool:
    """Whether one variant says less than the other and nothing against it: ``basic`` and ``basic, option B``."""
    short, long = sorted((first, second), key=len)
    return not short or long.startswith(f"{short}, ")


def _judged(before: Published, after: Published, differing: Sequence[Factor], unknown: Sequence[Factor]) -> Difference:
    assert before.error is not None, "figures are compared"
    assert after.error is not None, "figures are compared"
    change, digits = after.error - before.error, [ledger.printed_digits(e) for e in (before.error, after.error)]
    coarse = Decimal(1).scaleb(-min(digits))
    rounded = [error.quantize(coarse, ROUND_HALF_UP) for error in (before.error, after.error)]
    verdict: Verdict
    if len(differing) > 1:
        verdict = "confounded"
    elif differing:
        verdict = "one stated factor" if unknown else "one factor"
    else:
        verdict = "same" if not unknown and rounded[0] == rounded[1] else "nothing stated"
    return Difference(
        before=before.id,
        change=change,
        rounding=sum((Decimal(5).scaleb(-d - 1) for d in digits), Decimal(0)),
        verdict=verdict,
        factors=tuple(differing),
        open=tuple(unknown),
        unexplained=Decimal(0) if verdict in ("one factor", "same") else change,
    )


def _parents(rows: Sequence[Published]) -> dict[str, Difference | None]:
    """For each figure, the difference from the nearest before it: a tree in which every step is as small as it can be.

    Prim's algorithm; the nearest has the fewest differing and open factors, then the fewest open ones, then the nearest
    error.
    """
    first, *rest = rows
    found: dict[str, Difference | None] = {first.id: None}
    best = {row.id: difference(first, row) for row in rest}
    waiting = {row.id: row for row in rest}
    while waiting:
        near = min(waiting, key=lambda name: _distance(best[name]))
        here = waiting.pop(near)
        found[near] = best[near]
        for name, row in waiting.items():
            other = difference(here, row)
            if _distance(other) < _distance(best[name]):
                best[name] = other
    return found


def _distance(found: Difference) -> tuple[int, int, Decimal]:
    return len(found.factors) + len(found.open), len(found.open), abs(found.change)


def _lines(
    rows: Sequence[Published], parents: dict[str, Difference | None], catalog: Catalog
) -> Iterator[PublishedFigure]:
    """The tree from its root down, each figure below its parent, in the order in which they were reached."""
    by_id = {row.id: row for row in rows}

    def below(name: str, depth: int) -> Iterator[PublishedFigure]:
        row, near = by_id[name], parents[name]
        tests = near is not None and near.factors and all(factor.name in TESTING for factor in near.factors)
        ladder = parted_by(catalog, by_id[near.before], row) if near is not None and tests else None
        yield PublishedFigure(row, depth, near, _across(row, near, rows), measured_by(catalog, row)[0], ladder)
        for child, found in parents.items():
            if found is not None and found.before == name:
                yield from below(child, depth + 1)

    yield from below(rows[0].id, 0)


def _across(row: Published, near: Difference | None, rows: Sequence[Published]) -> Difference | None:
    """The difference from the first figure under the same protocol, if ``row`` is the first one of another source."""
    peers = [r for r in rows if (r.dataset, r.protocol) == (row.dataset, row.protocol)]
    first = next(r for r in peers if ledger.method(r).code == ledger.method(row).code)
    reached = near is None or near.before == peers[0].id
    return None if reached or first is not row or peers[0] is row else difference(peers[0], row)


def flat(lines: Sequence[PublishedFigure]) -> list[dict[str, Any]]:
    """One flat object for each figure: errors and changes are percentages as printed."""
    return [
        {
            "id": line.row.id,
            "error": float(line.row.error or 0),
            **{f: getattr(line.row, f) for f in ("model", "architecture", "dataset", "protocol", "weights", "run")},
            **{f: getattr(line.row, f) for f in ("variant", "recipe", "accounting", "source", "url", "status")},
            "depth": line.depth,
            "nearest": _flat(line.nearest),
            "across": _flat(line.across),
            "command": line.command,
            "ladder": line.ladder,
        }
        for line in lines
    ]


def _flat(found: Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    numbers = {f: float(getattr(found, f)) for f in ("change", "rounding", "unexplained")}
    return dataclasses.asdict(found) | numbers
