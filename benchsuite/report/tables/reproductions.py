"""Published figures beside measured ones: the verdict in a sentence, a table for the terminal and one for files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction

from benchsuite.explanation.ledger import rounding
from benchsuite.explanation.reproduce.run import Measured, Outcome
from benchsuite.report.tables.sheet import Cell, Column, Sheet, number_columns
from benchsuite.report.tables.text import NAMED, Table, image_count
from benchsuite.stats.digits import decimals, p_value, places, signed

VERDICTS = ("reproduced", "not reproduced", "not comparable")
ORDER = ("not reproduced", "reproduced", "not comparable")


def answer(outcomes: Sequence[Outcome], name: str) -> str:
    """The verdict on one figure, or how many figures of ``name`` have which verdict, in one sentence."""
    if len(outcomes) == 1:
        (one,) = outcomes
        return f"{one.verdict}: {one.row.id}, printed {one.row.error} %, {_measured_words(one)}"
    counts = Counter(one.verdict if one.measured else "not measured" for one in outcomes)
    words = [f"{counts[kind]} {kind}" for kind in (*VERDICTS, "not measured") if counts[kind]]
    return f"{name}, {len(outcomes)} published figures: {', '.join(words)}"


def _measured_words(outcome: Outcome) -> str:
    best = outcome.best
    if best is None:
        return "not measured"
    return f"measured {_percent(best)} % on {_images(best)} images"


def _images(one: Measured) -> str:
    return image_count({"n": one.n, "of": one.of})


def _percent(one: Measured) -> str:
    return decimals(100 * one.error, places(one.n))


def why(outcome: Outcome) -> str:
    """What the verdict rests on, in words: the distance and how probable it is, or why nothing can be concluded."""
    best = outcome.best
    if outcome.reasons:
        return "; ".join(outcome.reasons)
    assert best is not None, "only a measured figure has a verdict without reasons"
    judgement, words = best.judgement, []
    off = f"off by {signed(judgement.off, places(best.n))} points"
    if judgement.agrees:
        words.append(_agreement(outcome, best))
    elif judgement.p is None:
        images = round(abs(judgement.off) * best.n / 100)
        words.append(f"{off}, {images} images; all images were measured, so this is no chance")
    else:
        words.append(f"{off}; p {_equals(judgement.p)}, the probability to be as far off by chance")
    if judgement.agrees and best is not outcome.measured[0]:
        words.append(f"with {best.what}, a choice that the source leaves open")
    if outcome.span is not None and not judgement.agrees:
        low, high = (decimals(error, places(best.n)) for error in outcome.span)
        words.append(f"no open choice {_counted_too(outcome)}gives the figure: {low} to {high} %")
    return "; ".join(words)


def _counted_too(outcome: Outcome) -> str:
    return "" if any(choice.name == "accounting" for choice in outcome.choices) else "of the same views "


def _agreement(outcome: Outcome, best: Measured) -> str:
    judgement, printed = best.judgement, outcome.row.error
    low, high = (decimals(bound, places(best.n)) for bound in (judgement.low, judgement.high))
    if judgement.p is not None:
        return f"the printed figure lies in the 95 % interval [{low}, {high}]"
    if printed is None or abs(judgement.off) <= Fraction(rounding(printed)):
        return "within rounding"
    return f"within rounding if near ties go the other way, which gives {low} to {high} %"


def _equals(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def details(outcome: Outcome) -> list[str]:
    """The lines below the answer on one figure: why, what was measured, what is open, and the run."""
    row, best = outcome.row, outcome.best
    lines = [f"missing: {reason}" for reason in outcome.reasons] if best is None else [f"why: {why(outcome)}"]
    unseen = "" if row.status == "verified" else " (unverified: no original was seen)"
    metric = row.metric.replace("top", "top-").replace("_", " ")
    lines.append(
        f"printed: {row.model}, {metric} {row.value} %, {row.protocol_text or 'no protocol'}; {row.source}{unseen}"
    )
    if best is not None:
        lines.append(f"measured: {best.architecture}, weights {best.weights}, {best.what}, on {best.dataset}")
        lines += [f"seeds: {_seeds(best)}"] if best.by_seed else []
    lines += [f"assumed: {words}" for words in outcome.assumed]
    lines += [f"open: {choice}" for choice in outcome.choices]
    if best is not None and not row.accounting.startswith("exact"):
        own = "not stated" if row.accounting.startswith("unknown") else row.accounting or "not stated"
        lines.append(f"accounting of the source: {own}")
    return lines + ([f"run: {best.run_id}"] if best is not None else [])


def _seeds(one: Measured) -> str:
    return ", ".join(f"{decimals(100 * error, places(one.n))} % ({seed})" for seed, error in one.by_seed)


def choices_table(outcome: Outcome) -> Table:
    """A line for each combination of open choices of a figure; no line if there is only one."""
    if len(outcome.measured) < 2:
        return [], []
    headers, rows = ["measured as", "measured %", "off"], []
    for one in outcome.measured:
        rows.append([one.what, _percent(one), signed(one.judgement.off, places(one.n))])
        rows[-1] += [] if outcome.reasons else ["yes" if one.judgement.agrees else "no"]
    return [*headers, *([] if outcome.reasons else ["agrees"])], rows


def _judged(one: Measured) -> tuple[str, str]:
    digits = places(one.n)
    low, high = (decimals(bound, digits) for bound in (one.judgement.low, one.judgement.high))
    return signed(one.judgement.off, digits), "" if one.judgement.p is None else f"[{low}, {high}]"


def narrow(outcomes: Sequence[Outcome]) -> Table:
    """A line for each measured figure, for a terminal of 80 columns; those that were not reproduced come first."""
    rows = []
    for outcome in sorted(outcomes, key=lambda one: ORDER.index(one.verdict)):
        if (best := outcome.best) is not None:
            seen = str(best.n) if best.n == best.of else f"{best.n}/{best.of}"
            off = signed(best.judgement.off, places(best.n))
            rows.append([outcome.row.id, str(outcome.row.error), _percent(best), off, seen, outcome.verdict])
    return ["figure", "printed %", "measured %", "off", "images", "verdict"], rows


def notes(outcomes: Sequence[Outcome]) -> list[str]:
    """Why, for figures that were measured; then what is missing for the others. Figures with the same line share it."""
    lacking = [(one.row.id, one.reasons) for one in outcomes if not one.measured]
    return [*_grouped([(one.row.id, why(one)) for one in outcomes if one.measured]), *missing_lines(lacking)]


def missing_lines(figures: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    """What is missing to measure figures, each given by its id. Figures that lack the same share a line."""
    return list(_grouped([(name, f"missing: {need}") for name, needs in figures for need in needs]))


def _grouped(lines: Sequence[tuple[str, str]]) -> Iterator[str]:
    for text in dict.fromkeys(text for _, text in lines):
        names = [name for name, other in lines if other == text]
        rest = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
        yield f"{', '.join(names[:NAMED])}{rest}: {text}"


def sheet(outcomes: Sequence[Outcome], name: str) -> Sheet:
    """Published beside measured, with everything that the verdict rests on; without columns that would be empty."""
    numbers = number_columns("printed error %", "measured error %", "95 % interval", "off", "over open choices %")
    words = ("why", "network", "protocol", "weights", "images", "run", "source")
    columns = (Column("figure"), Column("verdict"), *numbers, *map(Column, words))
    unsure = any(one.row.status != "verified" for one in outcomes)
    remarks = (answer(outcomes, name), *(("(unverified): no original was seen",) if unsure else ()))
    rows = [tuple(_cells(one)) for one in outcomes]
    kept = [place for place in range(len(columns)) if any(row[place].text for row in rows)]
    cells = tuple(tuple(row[place] for place in kept) for row in rows)
    title = f"Published beside measured: {name}"
    return Sheet("reproductions", title, tuple(columns[place] for place in kept), cells, remarks)


def _cells(outcome: Outcome) -> Iterator[Cell]:
    row, best = outcome.row, outcome.best
    yield Cell(row.id)
    yield Cell(outcome.verdict if best else "not measured")
    yield Cell(str(row.error), float(row.error or 0))
    if best is None:
        yield from (Cell("") for _ in range(4))
    else:
        off, interval = _judged(best)
        yield Cell(_percent(best), float(100 * best.error))
        yield Cell(interval, float(best.judgement.low))
        yield Cell(off, float(best.judgement.off))
        yield Cell(_span(outcome.span, places(best.n)))
    yield Cell(why(outcome))
    yield Cell(best.architecture if best else row.architecture)
    yield Cell(best.what if best else row.protocol_text)
    yield Cell(best.weights if best else row.weights or row.run)
    yield Cell(f"{best.dataset}, {_images(best)}" if best else row.dataset)
    yield Cell(best.run_id if best else "")
    yield Cell(row.source + ("" if row.status == "verified" else " (unverified)"))


def _span(span: tuple[Fraction, Fraction] | None, digits: int) -> str:
    return "" if span is None else " to ".join(decimals(error, digits) for error in span)
