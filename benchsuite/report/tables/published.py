"""Tables of one model's published figures: the answer to why they differ, and each figure with its verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchsuite.explanation import ledger
from benchsuite.explanation.ledger import Claim, Published
from benchsuite.explanation.published_figures import TESTING, Answer, Difference, PublishedFigure, Step, verdict_words
from benchsuite.report.tables.sheet import Cell, Column, Sheet
from benchsuite.report.tables.text import Table

TITLES = ("network", "protocol", "weights or run", "source")

NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""Small numbers in words."""

SHORT = {"evaluation code": "code", "merge space": "merging", "mirror images": "flips"}
"""Short names of factors for a narrow column."""

ANSWER = ["error %", "protocol", "weights", "what changed", "change", "verdict"]
"""The columns of ``answer_table``."""


def answer_sentence(model: str, found: Answer, figures: Sequence[PublishedFigure], k: int) -> str:
    """Why the published errors of a model differ, in one sentence."""
    if found.chain:
        errors = listed([str(step.row.error) for step in found.chain])
        protocols = ", ".join(step.row.protocol for step in found.chain)
        tested = f"tested by {_number(len(found.chain))} protocols ({protocols})"
        claims = {step.difference.claim for step in found.chain if step.difference}
        if len(claims) == 1 and (claim := claims.pop()):
            return f"{model}: {errors} % top-{k} error are one network {tested}, says {claim.author}."
        weights = ledger.plain(found.chain[0].row.weights or found.chain[0].row.run)
        return f"{model}: {errors} % top-{k} error are the same weights, {weights}, {tested}{_left_open(found)}."
    if found.claims:
        claim = found.claims[0]
        rows = [step.row for step in found.claimed if step.row.id in claim.rows]
        rate = "accuracy" if all(map(_accuracy, rows)) else f"top-{k} error"
        values = [row.value if rate == "accuracy" else str(row.error) for row in rows]
        return f"{model}: {listed(values)} % {rate} are {claim.claim}, says {claim.author}."
    errors_known = sorted(error for figure in figures if (error := figure.row.error) is not None)
    if len(figures) == 1:
        return f"{model}: one published figure, {errors_known[0]} % top-{k} error."
    alone = sum(figure.nearest is not None and figure.nearest.verdict == "one factor" for figure in figures)
    several = "none of them differs" if not alone else f"{_number(alone)} of them differ{'s' * (alone == 1)}"
    spread = f"{len(figures)} published figures from {errors_known[0]} to {errors_known[-1]} % top-{k} error"
    return f"{model}: {spread}; {several} from the nearest one in a single factor."


def _left_open(found: Answer) -> str:
    """What the sources of a chain do not state, in words."""
    names = dict.fromkeys(factor.name for s in found.chain if s.difference for factor in s.difference.open)
    several = any(step.difference and len(step.difference.factors) > 1 for step in found.chain)
    unstated = f"; the source does not state {listed(list(names))}" if names else ""
    return "; the protocol is not all that changed" if several else unstated or "; nothing else changed"


def answer_table(steps: Sequence[Step], claims: Sequence[Claim]) -> Table:
    """A line for each figure: its protocol and weights, what changed since another one, and the verdict in words.

    A number in brackets is that of the claim, from 1, that an author makes about both figures.
    """
    rows = list[list[str]]()
    for step in steps:
        row, found, before = step.row, step.difference, step.before
        weights = ledger.plain(row.weights or row.run) + _unverified(row)
        texts = (str(row.error), protocol_words(row, short=True), weights)
        rows.append([*texts, "", "", ""])
        if found is not None and before is not None:
            changed = ", ".join(SHORT.get(f.name, f.name) for f in found.factors) or "nothing stated"
            mark = f" [{claims.index(found.claim) + 1}]" if found.claim else ""
            rows[-1][3:] = [changed, f"{found.change:+} from {before.error}", verdict(found) + mark]
    if not all(map(_accuracy, (step.row for step in steps))):
        return list(ANSWER), rows
    return ["accuracy %", *ANSWER], [[step.row.value, *cells] for step, cells in zip(steps, rows, strict=True)]


def verdict(found: Difference) -> str:
    """What the figures alone allow to conclude, in words: ``protocol alone``, ``several causes``."""
    unstated = [factor.name for factor in found.open]
    kind = "choice" if set(unstated) <= set(TESTING) else "fact"
    missing = f"{_number(len(unstated))} unstated {kind}{'s' * (len(unstated) > 1)}"
    return {
        "one factor": f"{listed([factor.name for factor in found.factors])} alone",
        "one stated factor": f"{listed([factor.name for factor in found.factors])}, and {missing}",
        "confounded": "several causes",
        "nothing stated": missing if unstated else "no source states what differs",
        "same": "the same figure, printed again",
    }[found.verdict]


def claim_words(claim: Claim) -> str:
    """Who says what, and where."""
    return f"{claim.author} says: {claim.claim} ({claim.source})."


def figure_lines(figures: Sequence[PublishedFigure]) -> Iterator[str]:
    """The lines of each published figure: the figure it is compared with, and what may be concluded from the two."""
    for line in figures:
        row = line.row
        words = (f"{row.error} %", row.architecture, protocol_words(row))
        yield f"{'  '.join(words)}  {row.weights or row.run}; {_source(row)}  [{row.id}]"
        for diff in (line.nearest, line.across):
            yield from () if diff is None else (f"  {text}" for text in difference_lines(diff))
        if line.ladder:
            yield f"  to measure this change, one factor at a time: {line.ladder}"


def difference_lines(diff: Difference) -> Iterator[str]:
    """The lines of the difference between two figures: what the sources state, then what an author says."""
    change = f"{diff.change:+} (+-{diff.rounding.normalize():f} by rounding)"
    yield f"from {diff.before}: {change}, {verdict_words(diff)}"
    if diff.open:
        yield f"  open, not fully stated by both sources: {'; '.join(map(str, diff.open))}"
    if diff.unexplained:
        yield f"  these figures alone show no single cause of {diff.unexplained:+}"
    if diff.claim:
        yield f"  {claim_words(diff.claim)}"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, (", ".join(words[:-1]), *words[-1:])))


def protocol_words(row: Published, *, short: bool = False) -> str:
    """The protocol with its scales or its sizes: ``1crop 256/224``; if ``short``, several scales as ``224..640``."""
    size = "/".join(str(part) for part in (row.short_side, row.crop) if part)
    first, *_, last = row.scales.split("+") * 2
    scales = f"{first}..{last}" if short and first != last else row.scales
    return " ".join(words for words in (row.protocol, scales or size) if words)


def _accuracy(row: Published) -> bool:
    return row.metric.endswith("accuracy")


def _source(row: Published) -> str:
    return row.source + _unverified(row)


def _unverified(row: Published) -> str:
    return "" if row.status == "verified" else " (unverified)"


def _number(value: int) -> str:
    return NUMBERS[value] if value < len(NUMBERS) else str(value)


def explanation(model: str, lines: Sequence[PublishedFigure]) -> Sheet:
    """Each figure, then the figure that it is compared with, the change, the verdict, and what no source states."""
    columns = (
        Column("figure"),
        Column("top-1 error %", True),
        *map(Column, TITLES),
        Column("compared with"),
        Column("change", True),
        Column("what lies between"),
        Column("open"),
        Column("unexplained", True),
    )
    rows = tuple(row for line in lines for row in _rows(line))
    unsure = any(line.row.status != "verified" for line in lines)
    remarks = ("(unverified): no original was seen",) if unsure else ()
    return Sheet(f"printed-{model}", f"Published figures of {model}", columns, rows, remarks)


def _rows(line: PublishedFigure) -> Iterator[tuple[Cell, ...]]:
    """The line of a figure, and a second line for its difference from the same protocol of another source, if any."""
    row = line.row
    texts = (row.id, str(row.error), row.architecture, protocol_words(row), row.weights or row.run, _source(row))
    yield (*map(Cell, texts), *_difference(line.nearest))
    if line.across is not None:
        yield (*(Cell("") for _ in texts), *_difference(line.across))


def _difference(difference: Difference | None) -> Iterator[Cell]:
    if difference is None:
        yield from (Cell("") for _ in range(5))
        return
    yield Cell(difference.before)
    yield Cell(f"{difference.change:+}")
    yield Cell(_verdict(difference))
    yield Cell(", ".join(factor.name for factor in difference.open))
    yield Cell(f"{difference.unexplained:+}" if difference.unexplained else "")


def _verdict(difference: Difference) -> str:
    """The verdict in words, with the names of several confounded factors; ``benchsuite explain`` shows their values."""
    if difference.verdict != "confounded":
        return verdict_words(difference)
    names = ", ".join(factor.name for factor in difference.factors)
    return f"confounded, {len(difference.factors)} factors at once, no single cause: {names}"
