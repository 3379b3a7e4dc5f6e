"""Why published error rates of one model differ, from the ledger alone: the factors that differ or are not stated."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any, Literal, get_args

from benchsuite.errors import unknown_name
from benchsuite.explanation import ledger
from benchsuite.explanation.ladder import Factor
from benchsuite.explanation.ledger import Claim, Published, identity
from benchsuite.explanation.protocol_factors import shown
from benchsuite.explanation.reproduction import ladder_command, run_command
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.view import Interpolation

Verdict = Literal["one factor", "one stated factor", "confounded", "nothing stated", "same"]
"""What may be concluded from two figures.

``one factor``: exactly one factor differs and none is open; only this verdict names a cause. ``one stated factor``: one
factor differs that both sources state, others are open. ``confounded``: several factors differ at once, so that their
effects cannot be separated. ``nothing stated``: the sources state no difference, but a factor is open or the figures
differ. ``same``: the same figure, published twice.
"""

TESTING = ("protocol", "resize", "crop size", "interpolation", "rounding", "merge space", "mirror images")
"""Factors that a ladder can change one at a time, with the same weights."""

FACTORS = ("weights", "variant", "recipe", *TESTING, "accounting", "evaluation code", "dataset")

OPEN_IF_UNSTATED = ("variant", "recipe", "merge space", "mirror images")
"""Factors that are open between figures of different weights even if neither source states them."""

SIZED = ("1crop", "10crop", "multicrop", "tta")
"""Protocols whose resize, crop size and rounding are factors. With other protocols they are part of the protocol."""


MOST = 5
"""About as many figures make an answer: their table fits a screen."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The difference between two figures. ``before`` is the id of the first.

    ``change`` is in percentage points; ``rounding`` is its largest possible error, since figures are published with few
    decimals. ``factors`` are those that differ; ``open`` are those that at least one source does not state, or states
    in less detail. ``unexplained`` is the part of the change for which the figures show no single cause: all of it, or
    zero. ``claim`` is what an author says about the two figures; it changes neither the verdict nor ``unexplained``,
    which follow from the figures alone.
    """

    before: str
    change: Decimal
    rounding: Decimal
    verdict: Verdict
    factors: tuple[Factor, ...]
    open: tuple[Factor, ...]
    unexplained: Decimal
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A figure of an answer, and its difference from another one, ``before``; None for the first of a chain."""

    row: Published
    before: Published | None = None
    difference: Difference | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The few figures that show why the errors of a model differ.

    ``chain`` is one network with the same weights under one protocol after the other, each figure compared with the one
    before; empty if no weights have figures under several protocols. ``claimed`` are figures that an author ties
    together. ``others`` are the first figures of every other source, compared with the first under their protocol.
    ``ladder`` measures the change from the first to the last figure of the chain, one factor at a time.
    """

    chain: tuple[Step, ...]
    claimed: tuple[Step, ...]
    others: tuple[Step, ...]
    ladder: str | None

    @property
    def steps(self) -> tuple[Step, ...]:
        """All of them."""
        return self.chain + self.claimed + self.others

    @property
    def claims(self) -> tuple[Claim, ...]:
        """What authors say about these figures, each once."""
        return tuple(dict.fromkeys(s.difference.claim for s in self.steps if s.difference and s.difference.claim))


@dataclass(frozen=True, slots=True)
class PublishedFigure:
    """One figure in a tree of figures: its row of the ledger, its depth in the tree, and how to measure it again.

    ``nearest`` is the difference from its parent: the earlier figure from which it differs least; None for the root.
    ``across`` is the difference from the first figure under the same protocol, for the first figure of each other
    source; None if ``nearest`` is that difference already. ``command`` measures the figure again. ``ladder`` measures
    the change from its parent, one factor at a time; None unless all factors that differ are in ``TESTING``.
    """

    row: Published
    depth: int
    nearest: Difference | None
    across: Difference | None
    command: str | None
    ladder: str | None


def explain(model: str, catalog: Catalog, *, k: int = 1) -> tuple[PublishedFigure, ...]:
    """The published figures of one model at top-1 or top-5 as a tree: each below the one that it differs least from.

    Raises ``UnknownName`` for a model without published figures.
    """
    known = [row for row in ledger.load() if row.architecture and row.error is not None and row.k == k]
    rows = [row for row in known if ledger.is_of(row, model)]
    if not rows:
        raise unknown_name("model with published figures", model, {ledger.base(row.architecture) for row in known})
    return tuple(_tree(rows, _parents(rows), catalog))


def attributes(row: Published) -> dict[str, str | None]:
    """The value of each factor of a figure, in a form that can be compared.

    Empty if the source does not state it; None if the factor does not apply to the protocol. A figure that repeats
    another has the attributes of that one.
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


def _value_text(row: Published, name: str) -> str:
    """The value of a factor of a figure as it is shown: in the words of its source, if it has any."""
    row = ledger.quoted(row) or row
    value = attributes(row)[name]
    if not value:
        return "none" if value is None else "not stated"
    own = {
        "weights": row.weights or row.run,
        "variant": row.variant,
        "recipe": row.recipe,
        "accounting": row.accounting,
    }
    fields = {"merge space": "merge", "mirror images": "flip"}
    return own.get(name) or shown(fields.get(name, name), value == "true" if name == "mirror images" else value)


def difference(before: Published, after: Published) -> Difference:
    """The factors in which two figures of one model differ, and what may be concluded from these figures alone.

    A factor that applies to only one of them is part of its protocol, and no difference of its own; it is open if it is
    in ``OPEN_IF_UNSTATED`` and not stated. Figures of the same weights have the same variant and recipe, whatever the
    sources call them. A factor that applies to both and that neither source states is open only if it is in
    ``OPEN_IF_UNSTATED`` and the weights differ.
    """
    a, b = attributes(before), attributes(after)
    same_weights = a["weights"] == b["weights"]
    trained = ("variant", "recipe") if same_weights and before.weights else ()
    differing: list[Factor] = []
    unknown: list[Factor] = []
    for name in (name for name in FACTORS if name not in trained):
        first, second = a[name], b[name]
        stated = bool(first and second)
        if None in (first, second) and (first == second or first or second or name not in OPEN_IF_UNSTATED):
            continue
        if first == second and (stated or same_weights or name not in OPEN_IF_UNSTATED):
            continue
        vague = not stated or (name == "variant" and _vaguer(str(first), str(second)))
        (unknown if vague else differing).append(Factor(name, _value_text(before, name), _value_text(after, name)))
    return _with_verdict(before, after, differing, unknown)


def answer(figures: Sequence[PublishedFigure], catalog: Catalog, most: int | None = MOST) -> Answer:
    """The figures that show why those of ``explain`` differ: about ``most``, or all that say more if it is None.

    Without figures to choose, they are the first of the tree, each compared with the one that it differs least from.
    """
    rows, again, room = [figure.row for figure in figures], _reprints(figures), most or len(figures)
    by_id = {row.id: row for row in rows}
    chain = _chain([row for row in rows if row.id not in again])
    claimed = _claimed(by_id, {step.row.id for step in chain}, room - len(chain))
    used = again | {step.row.id for step in (*chain, *claimed)}
    others = []
    for figure in sorted(figures, key=lambda figure: figure.across is None):
        found = figure.across or figure.nearest
        if found is not None and figure.row.id not in used and _first_of_source(figure.row, rows) is figure.row:
            others.append(Step(figure.row, by_id[found.before], found))
    if not chain and not claimed:
        others = [Step(f.row, by_id[f.nearest.before] if f.nearest else None, f.nearest) for f in figures]
    whole = difference(chain[0].row, chain[-1].row) if chain else None
    tests = whole is not None and all(factor.name in TESTING for factor in whole.factors)
    ladder = ladder_command(catalog, chain[0].row, chain[-1].row) if tests else None
    return Answer(tuple(chain), tuple(claimed), tuple(others[: max(room - len(chain) - len(claimed), 0)]), ladder)


def _reprints(figures: Sequence[PublishedFigure]) -> set[str]:
    """The ids of figures that are the same as another one and have fewer digits, or as many and come later."""
    errors, dropped = {f.row.id: f.row.error or Decimal(0) for f in figures}, set[str]()
    for figure in figures:
        if figure.nearest is not None and figure.nearest.verdict == "same":
            pair = (figure.nearest.before, figure.row.id)
            dropped.add(min(reversed(pair), key=lambda name: ledger.printed_digits(errors[name])))
    return dropped


def _chain(rows: Sequence[Published]) -> list[Step]:
    """The figures of the same weights, variant and data set under the most protocols, one for each protocol."""
    groups = dict[tuple[str | None, ...], dict[str | None, Published]]()
    for row in rows:
        known = attributes(row)
        key = tuple(known[name] for name in ("weights", "variant", "dataset"))
        if known["weights"]:
            groups.setdefault(key, {}).setdefault(known["protocol"], row)
    most = max(groups.values(), key=len, default={})
    if len(most) < 2:
        return []
    first, *rest = most.values()
    return [Step(first), *(Step(b, a, difference(a, b)) for a, b in pairwise((first, *rest)))]


def _claimed(by_id: Mapping[str, Published], used: Collection[str], room: int) -> list[Step]:
    """The figures that authors tie together and that are not used yet, each compared with the one before.

    Claims that would need more than ``room`` figures are left out.
    """
    steps = list[Step]()
    for claim in ledger.claims():
        if set(claim.rows) - set(by_id):
            continue
        rows = [by_id[name] for name in claim.rows]
        done = {*used, *(step.row.id for step in steps)}
        new = [Step(b, a, difference(a, b)) for a, b in pairwise(rows) if b.id not in done]
        new = [Step(rows[0])] * (bool(new) and rows[0].id not in done) + new
        steps += new if len(steps) + len(new) <= room else []
    return steps


def _first_of_source(row: Published, rows: Sequence[Published]) -> Published:
    """The first figure of the same source under the same data set and protocol."""
    peers = [r for r in rows if (r.dataset, r.protocol) == (row.dataset, row.protocol)]
    return next(r for r in peers if ledger.method(r).code == ledger.method(row).code)


def verdict_words(diff: Difference) -> str:
    """The verdict in words, with the factors that differ."""
    factors = "; ".join(map(str, diff.factors))
    return {
        "one factor": f"one factor: {factors}",
        "one stated factor": f"one stated factor: {factors}",
        "confounded": f"confounded, {len(diff.factors)} factors at once, no single cause: {factors}",
        "nothing stated": "no source states what differs",
        "same": "the same figure, printed again",
    }[diff.verdict]


def _vaguer(first: str, second: str) -> bool:
    """Whether one variant is stated in less detail than the other: ``basic`` and ``basic, option B``."""
    short, long = sorted((first, second), key=len)
    return not short or long.startswith(f"{short}, ")


def _with_verdict(
    before: Published, after: Published, differing: Sequence[Factor], unknown: Sequence[Factor]
) -> Difference:
    assert before.error is not None, "only figures with a value are compared"
    assert after.error is not None, "only figures with a value are compared"
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
        rounding=ledger.rounding(before.error) + ledger.rounding(after.error),
        verdict=verdict,
        factors=tuple(differing),
        open=tuple(unknown),
        unexplained=Decimal(0) if verdict in ("one factor", "same") else change,
        claim=ledger.claim_on(before, after),
    )


def _parents(rows: Sequence[Published]) -> dict[str, Difference | None]:
    """For each figure, the difference from its parent: a minimum spanning tree whose root is the first figure.

    Prim's algorithm. Of two differences the smaller one has fewer differing and open factors; if equal, fewer open
    ones; if equal, the smaller change of the error rate.
    """
    first, *rest = rows
    parents: dict[str, Difference | None] = {first.id: None}
    best = {row.id: difference(first, row) for row in rest}
    waiting = {row.id: row for row in rest}
    while waiting:
        near = min(waiting, key=lambda name: _distance(best[name]))
        parent = waiting.pop(near)
        parents[near] = best[near]
        for name, row in waiting.items():
            other = difference(parent, row)
            if _distance(other) < _distance(best[name]):
                best[name] = other
    return parents


def _distance(diff: Difference) -> tuple[int, int, Decimal]:
    return len(diff.factors) + len(diff.open), len(diff.open), abs(diff.change)


def _tree(
    rows: Sequence[Published], parents: dict[str, Difference | None], catalog: Catalog
) -> Iterator[PublishedFigure]:
    """The tree from its root down, depth first; the children of a figure are in the order in which they were added."""
    by_id = {row.id: row for row in rows}

    def below(name: str, depth: int) -> Iterator[PublishedFigure]:
        row, near = by_id[name], parents[name]
        tests = near is not None and near.factors and all(factor.name in TESTING for factor in near.factors)
        ladder = ladder_command(catalog, by_id[near.before], row) if near is not None and tests else None
        yield PublishedFigure(row, depth, near, _across(row, near, rows), run_command(catalog, row)[0], ladder)
        for child, diff in parents.items():
            if diff is not None and diff.before == name:
                yield from below(child, depth + 1)

    yield from below(rows[0].id, 0)


def _across(row: Published, near: Difference | None, rows: Sequence[Published]) -> Difference | None:
    """The difference from the first figure under the same dataset and protocol, by another source.

    None unless ``row`` is the first figure of its source there, and None if its parent is that figure already.
    """
    peer = next(r for r in rows if (r.dataset, r.protocol) == (row.dataset, row.protocol))
    already = near is None or near.before == peer.id
    return None if already or _first_of_source(row, rows) is not row or peer is row else difference(peer, row)


def flat(lines: Sequence[PublishedFigure]) -> list[dict[str, Any]]:
    """One flat object for each figure: errors are in percent, as published, changes in percentage points."""
    return [
        {
            "id": line.row.id,
            "error": float(line.row.error or 0),
            **{f: getattr(line.row, f) for f in ("model", "architecture", "dataset", "protocol", "weights", "run")},
            **{f: getattr(line.row, f) for f in ("variant", "recipe", "accounting", "source", "url", "status")},
            "depth": line.depth,
            "nearest": _flat_difference(line.nearest),
            "across": _flat_difference(line.across),
            "command": line.command,
            "ladder": line.ladder,
        }
        for line in lines
    ]


def _flat_difference(diff: Difference | None) -> dict[str, Any] | None:
    if diff is None:
        return None
    numbers = {f: float(getattr(diff, f)) for f in ("change", "rounding", "unexplained")}
    return dataclasses.asdict(diff) | numbers
