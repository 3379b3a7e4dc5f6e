"""The tables of runs: results, comparisons, ladders, calibration."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from benchsuite.explanation.comparison import Paired
from benchsuite.explanation.ladder import Factor
from benchsuite.report.content import Entry, LadderContent, Pair, Report
from benchsuite.report.tables.sheet import NAMES, Cell, Column, Sheet, number, number_columns, once, rate, whole
from benchsuite.report.tables.text import preprocessing_lines, published_table
from benchsuite.stats.calibration import Calibration
from benchsuite.stats.digits import decimals, p_value, percent, places, signed
from benchsuite.stats.metrics import Count


def runs(report: Report) -> Sheet:
    """Every run with its errors, its views and its speed."""
    columns = (
        *NAMES,
        Column("numerics"),
        *number_columns("top-1 errors", "top-1 error %", "95 % interval", "top-5 error %", "95 % interval"),
        *number_columns("views", "Mpx an image", "images/s"),
        Column("run"),
    )
    rows = tuple(tuple(_run(entry)) for entry in report.entries)
    return once(Sheet("runs", "Results", columns, rows, prepared(report.entries)))


def prepared(entries: Iterable[Entry]) -> tuple[str, ...]:
    """Remarks that say how the images of these runs were prepared, and where that comes from."""
    return tuple(preprocessing_lines([entry.row for entry in entries]))


def _run(entry: Entry) -> Iterator[Cell]:
    row = entry.row
    yield from _names(entry)
    yield Cell(entry.numerics)
    yield whole(row["top1_errors"])
    for errors in (row["top1_errors"], row["top5_errors"]):
        yield from rate(Count(errors, row["n"]))
    yield whole(row["views"])
    yield number(entry.megapixels, 3)
    speed = row["images_per_second"]
    yield Cell("") if speed is None else number(speed, 1)
    yield Cell(entry.digest, link=f"run-{entry.run_id}")


def pairs(report: Report) -> Sheet:
    """Every pair outside the ladders: the images fixed and broken, and whether the change can be chance."""
    rows = tuple(
        (
            *_words(pair),
            Cell(pair.before.images.removesuffix(" images")),
            *_paired(pair.comparison.top1, pair.p_holm),
            _agreement(pair),
        )
        for pair in report.pairs
    )
    columns = (Column("before"), Column("after"), Column("images"), *CHANGE, Column("same answer %", True))
    notes = dict.fromkeys(n for p in report.pairs if p.before.data != p.after.data for n in p.comparison.notes)
    remarks = (*prepared(entry for p in report.pairs for entry in (p.before, p.after)), *notes)
    return once(Sheet("comparisons", "Comparisons", columns, rows, remarks))


def rungs(ladder: LadderContent) -> Sheet:
    """The rungs of a ladder; the first one has no change."""
    first, *others = ladder.entries
    columns = (Column("protocol"), Column("what changed"), *number_columns("top-1 error %", "95 % interval"), *CHANGE)
    rows = [(*_rung(first, "the start"), *(Cell("") for _ in CHANGE))]
    for entry, factors, pair in zip(others, ladder.file.factors[1:], ladder.pairs, strict=True):
        rows.append((*_rung(entry, factor_words(factors)), *_paired(pair.comparison.top1, pair.p_holm)))
    if ladder.file.counted is not None:
        rows.append(tuple(_counted(others[-1], *ladder.file.counted)))
    remarks = (*prepared(ladder.entries), *left_over(ladder))
    return Sheet(f"{ladder.name}-steps", ladder_title(ladder), columns, tuple(rows), remarks)


def factor_words(factors: Sequence[Factor]) -> str:
    """``crops: centre crop → centre and corner crops``."""
    return "; ".join(f"{f.name}: {f.before} → {f.after}" for f in factors)


def _rung(entry: Entry, factors: str) -> Iterator[Cell]:
    yield _protocol(entry, f"run-{entry.run_id}")
    yield Cell(factors)
    yield from rate(Count(entry.row["top1_errors"], entry.row["n"]))


def _counted(entry: Entry, words: str, change: Fraction) -> Iterator[Cell]:
    """The last rung under another accounting: that fixes or breaks no image, so there is no test."""
    digits = places(entry.row["n"])
    error = Fraction(100 * entry.row["top1_errors"], entry.row["n"]) + change
    yield _protocol(entry, f"run-{entry.run_id}")
    yield Cell(f"accounting: {words}")
    yield Cell(decimals(error, digits), float(error))
    yield Cell("")
    yield Cell(signed(change, digits), float(change))
    yield from (Cell(text) for text in ("", "0", "0", "", ""))


def ladder_title(ladder: LadderContent) -> str:
    """``resnet50: from 1crop to multiscale, on imagenet, 500 of 50000 images``."""
    first, last = ladder.entries[0], ladder.entries[-1]
    return f"{pair_words(first, last)}, on {first.images}"


def left_over(ladder: LadderContent) -> Iterator[str]:
    """Sentences about the published figures, the difference that no rung accounts for, and its possible causes."""
    figures = [figure for figure in ladder.file.published if figure is not None]
    for row in figures:
        yield f"published: {row.error} %, {row.source} [{row.id}]"
    if figures:
        points = signed(ladder.left_over, places(ladder.entries[0].row["n"]))
        yield f"left over: {points} points, which no step accounts for"
        yield from ladder.file.because


def shares(ladder: LadderContent) -> Sheet:
    """The mean change of each factor over all orders, in percentage points."""
    digits = places(ladder.entries[0].row["n"])
    rows = tuple(
        (Cell(factor), *(Cell(signed(Fraction(v), digits), v) for v in values))
        for factor, *values in ladder.file.shares
    )
    remark = f"averaged over {ladder.file.orders} orders of changing the protocol's factors (Shapley), percent points"
    columns = (Column("factor"), *number_columns("on average", "at least", "at most"))
    return Sheet(f"{ladder.name}-shares", "Fair shares", columns, rows, (remark,))


def calibrations(report: Report) -> Sheet:
    """The calibration error, log loss and Brier score of each run; runs with compact predictions have none."""
    several = len({e.numerics for e in report.entries}) > 1  # then two runs may differ in nothing else
    rows = tuple(
        (*_names(e), *[Cell(e.numerics)] * several, *_calibration(e.side.calibration))
        for e in report.entries
        if e.side.calibration is not None
    )
    columns = (
        *NAMES,
        *[Column("numerics")] * several,
        *number_columns("calibration error %", "log loss", "Brier score"),
    )
    return once(Sheet("calibration", "Calibration", columns, rows, prepared(report.entries)))


def _calibration(calibration: Calibration) -> Iterator[Cell]:
    yield number(100 * calibration.ece, 2)
    yield number(calibration.nll, 4)
    if calibration.brier is not None:
        yield number(calibration.brier, 4)
    else:
        bounds = (decimals(Fraction(b), 4) for b in (calibration.brier_low, calibration.brier_high))
        yield Cell(" to ".join(bounds), calibration.brier_low)


def classes(report: Report, pair: Pair) -> Sheet:
    """The classes in which an image was fixed or broken, the largest change first."""
    columns = (Column("class"), *number_columns("images", "errors before", "after", "fixed", "broken", "p", "p (Holm)"))
    rows = tuple(
        (
            Cell(report.class_name(pair.before, c.label)),
            *map(whole, (c.n, c.errors_before, c.errors_after, c.fixed, c.broken)),
            Cell(p_value(c.p), c.p),
            Cell(p_value(c.p_holm), c.p_holm),
        )
        for c in pair.comparison.classes
    )
    return Sheet(f"{pair.name}-classes", "Classes that changed", columns, rows)


def images(report: Report, pair: Pair) -> Sheet:
    """The images that were fixed or broken, those that changed most first."""
    columns = (Column("image"), Column("true class"), Column("answer before"), Column("answer after"), Column("became"))
    rows = tuple(
        (
            Cell(image.id),
            Cell(report.class_name(pair.before, image.label)),
            *(Cell(report.class_name(pair.before, answers[0][0])) for answers in (image.before, image.after)),
            Cell("right" if image.fixed else "wrong"),
            *(number(100 * p, 1) for p in (image.true_before, image.true_after)),
        )
        for image in pair.changed
    )
    every = pair.comparison.top1.fixed + pair.comparison.top1.broken
    remarks = () if len(rows) == every else (f"the {len(rows)} of {every} whose true class gained or lost most",)
    numbers = number_columns("true class before %", "after %")
    return Sheet(f"{pair.name}-images", "Images that changed", (*columns, *numbers), rows, remarks)


def published(report: Report) -> Sheet:
    """The published figures for the same networks and protocols, next to the measured ones."""
    headers, lines = published_table([entry.row for entry in report.entries])
    columns = tuple(Column(title, title.endswith("%")) for title in headers)
    return Sheet("published", "Published figures", columns, tuple(tuple(map(Cell, line)) for line in lines))


def pair_words(before: Entry, after: Entry, *, network: bool = True) -> str:
    """``resnet50: 1crop to 10crop``: what both share is named once; without ``network``, a shared network is not."""
    a, b, one, other = before.row, after.row, before.protocol_against(after), after.protocol_against(before)
    if before.network == after.network:
        return f"{a['architecture'] + ': ' if network else ''}{one} to {other}"
    same = a["architecture"] == b["architecture"]
    first, second = ((r["weights"] if same else r["architecture"]) for r in (a, b))
    if same and first == second:
        first, second = (e.network[1][:8] for e in (before, after))
    if one == other:
        return f"{a['architecture'] + ' ' if same else ''}{one}: {first} to {second}"
    return f"{first} {one} to {second} {other}"


def _protocol(entry: Entry, link: str = "") -> Cell:
    return Cell(str(entry.row["protocol"]), link=link, protocol=str(entry.row["protocol"]))


def _words(pair: Pair) -> Iterator[Cell]:
    """The cells of the two runs of a pair; the second one links to the details of the pair."""
    before, after = (str(entry.row["protocol"]) for entry in (pair.before, pair.after))
    yield Cell(pair.before.name_against(pair.after), protocol=before)
    yield Cell(pair.after.name_against(pair.before), link=pair.name if pair.changed else "", protocol=after)


CHANGE = (*(Column(t, True) for t in ("change", "95 % interval", "fixed", "broken", "p", "p (Holm)")),)


def _paired(paired: Paired, p_holm: float) -> Iterator[Cell]:
    digits = places(paired.n)
    yield Cell(signed(100 * paired.change, digits), float(100 * paired.change))
    low, high = (signed(100 * Fraction(bound), digits) for bound in (paired.low, paired.high))
    yield Cell(f"[{low}, {high}]", 100 * paired.low)
    yield whole(paired.fixed)
    yield whole(paired.broken)
    yield Cell(p_value(paired.p), paired.p)
    yield Cell(p_value(p_holm), p_holm)


def _agreement(pair: Pair) -> Cell:
    share = Count(pair.comparison.agree, pair.comparison.top1.n)
    return Cell(percent(share), float(100 * share.ratio))


def _names(entry: Entry) -> Iterator[Cell]:
    yield from (Cell(str(entry.row[word])) for word in ("architecture", "weights"))
    yield _protocol(entry)
    yield Cell(entry.images.removesuffix(" images"))
