"""The plots of a report as data: what is drawn, not how."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from benchsuite.report.content import Entry, LadderContent, Pair, Report
from benchsuite.report.plots import frequency
from benchsuite.report.plots.shapes import Bar, Bars, Figure, Line, Lines, Point, Points, Row, Series, Tone
from benchsuite.report.tables import runs
from benchsuite.report.training_content import TrainingContent
from benchsuite.stats import significance
from benchsuite.stats.calibration import Calibration
from benchsuite.stats.digits import decimals, places, signed, with_interval
from benchsuite.stats.metrics import Count

MOST_ROWS, MOST_RUNS, MOST_CLASSES = 40, 24, 24
"""Upper bounds: rows of a plot of changes, runs whose calibration is drawn, classes of a plot of classes."""


STEPS = "Which step of the protocol makes the difference?"
SHARES = "Which part of the difference is each choice of the protocol?"
CLASSES = "In which classes do the answers change?"
COUNTED = "How far is the smoothed accuracy from the exact one?"
WATCHED = "Which perturbed training images does the network get wrong?"


def figures(report: Report) -> Iterator[Figure]:
    """Every plot of a report, in the order of the page."""
    for ladder in report.ladders:
        yield waterfall(ladder)
        yield from ([shares(ladder)] if ladder.file.shares else [])
    for content in report.frequencies:
        yield from frequency.figures(content)
    yield from costs(report)
    yield from ([changes(report)] if report.pairs else [])
    for pair in every_pair(report):
        yield from ([classes(report, pair)] if pair.changed else [])
    yield from reliabilities(report)
    yield from map(course, report.trainings)


def every_pair(report: Report) -> list[Pair]:
    """All pairs of a report: those of the ladders, then the others."""
    return [*(pair for ladder in report.ladders for pair in ladder.pairs), *report.pairs]


def waterfall(ladder: LadderContent) -> Bars:
    """From the first error rate to the last, step by step; the interval of a step is drawn at its end."""
    first, last = ladder.entries[0], ladder.entries[-1]
    n = first.row["n"]
    rows = [*_published(ladder, 0), _rate(first, first.row["protocol"])]
    for before, after, pair, factors in zip(
        ladder.entries, ladder.entries[1:], ladder.pairs, ladder.file.factors[1:], strict=False
    ):
        start, end = (float(_error(e)) for e in (before, after))
        interval = (start + 100 * pair.comparison.top1.low, start + 100 * pair.comparison.top1.high)
        label = "; ".join(f"{f.name}: {f.after}" for f in factors) or runs.pair_words(before, after)
        rows.append(Row(label, _change(pair), (Bar(start, end, _tone(end - start)),), interval=interval))
    rows += [_rate(last, last.row["protocol"]), *_counted(ladder), *_published(ladder, 1)]
    about = f"Top-1 error from {_percent(_error(first), n)} % to {_percent(_error(last), n)} %, step by step."
    return Bars(
        f"{ladder.name}", runs.ladder_title(ladder), about, "top-1 error %", tuple(rows), linked=True, question=STEPS
    )


def _counted(ladder: LadderContent) -> list[Row]:
    """The row for the change by another accounting than the exact one; none if the ladder has no such accounting."""
    if ladder.file.counted is None:
        return []
    words, change = ladder.file.counted
    start, digits = _error(ladder.entries[-1]), places(ladder.entries[0].row["n"])
    bar = Bar(float(start), float(start + change), _tone(float(change)))
    return [Row(f"accounting: {words}", signed(change, digits), (bar,))]


def _published(ladder: LadderContent, end: int) -> list[Row]:
    """The rows for the published figure of an end, and for the gap between it and the measured rate."""
    row, gap = ladder.file.published[end], ladder.gaps[end]
    if row is None or row.error is None:
        return []
    error, digits = float(row.error), places(ladder.entries[0].row["n"])
    start, stop = (error, error + float(gap)) if end == 0 else (error - float(gap), error)
    bar = Row("not accounted for", signed(gap, digits), (Bar(start, stop, "open"),), tone="open")
    figure = Row(f"published: {row.source}", str(row.error), mark=error, tone="open")
    return [figure, bar] if end == 0 else [bar, figure]


def _rate(entry: Entry, label: str) -> Row:
    count = Count(entry.row["top1_errors"], entry.row["n"])
    low, high = significance.wilson(count)
    return Row(
        label,
        with_interval(count),
        mark=float(_error(entry)),
        interval=(100 * low, 100 * high),
        protocol=str(entry.row["protocol"]),
    )


def shares(ladder: LadderContent) -> Bars:
    """The mean change of each factor over all orders, with an interval from the least to the most."""
    digits = places(ladder.entries[0].row["n"])
    rows = tuple(
        Row(factor, signed(Fraction(mean), digits), mark=mean, interval=(least, most), tone=_tone(mean))
        for factor, mean, least, most in ladder.file.shares
    )
    title = f"{runs.ladder_title(ladder)}: each factor on average over {ladder.file.orders} orders"
    about = "The effect of each factor averaged over all orders, with the least and the most of any order."
    return Bars(
        f"{ladder.name}-shares", title, about, "change of top-1 error, points", rows, zero=True, question=SHARES
    )


def costs(report: Report) -> Iterator[Points]:
    """Top-1 error against the number of views and against the pixels that the network sees, for each set of images."""
    axes = (
        ("views", "views per image", "Do more views lower the error?"),
        ("cost", "megapixels that the network sees of a square image", "Do more pixels lower the error?"),
    )
    for number, group in enumerate(report.groups(), 1):
        for name, words, question in axes:
            xs = [float(e.row["views"]) if name == "views" else e.megapixels for e in group]
            if len(set(xs)) < 2:
                continue
            title = f"Top-1 error against {'views' if name == 'views' else 'cost'}, {group[0].images}"
            about = f"{len(group)} runs; top-1 error with 95 % intervals over {words}."
            series = tuple(_series(group, xs))
            kind = f"error-{name}-{number}"
            yield Points(kind, title, about, words, "top-1 error %", series, log=True, question=question)


def _series(group: Sequence[Entry], xs: Sequence[float]) -> Iterator[Series]:
    """One series of points for each network."""
    several = len({e.network for e in group}) > len({e.row["architecture"] for e in group})
    for network in dict.fromkeys(e.network for e in group):
        own = [(x, e) for x, e in zip(xs, group, strict=True) if e.network == network]
        row = own[0][1].row
        label = f"{row['architecture']}, {row['weights']}" if several else str(row["architecture"])
        yield Series(label, tuple(_point(x, e) for x, e in sorted(own, key=lambda pair: pair[0])))


def _point(x: float, entry: Entry) -> Point:
    low, high = significance.wilson(Count(entry.row["top1_errors"], entry.row["n"]))
    protocol = str(entry.row["protocol"])
    return Point(x, float(_error(entry)), 100 * low, 100 * high, protocol, protocol)


def changes(report: Report) -> Bars:
    """The change of every pair with its interval; of more than ``MOST_ROWS`` pairs, those that changed most."""
    most = sorted(report.pairs, key=lambda pair: -abs(pair.comparison.top1.change))[:MOST_ROWS]
    rows = tuple(
        Row(
            runs.pair_words(pair.before, pair.after, network=report.networks() > 1),
            _change(pair),
            mark=float(100 * pair.comparison.top1.change),
            interval=(100 * pair.comparison.top1.low, 100 * pair.comparison.top1.high),
            tone=_tone(float(pair.comparison.top1.change)),
        )
        for pair in report.pairs
        if pair in most
    )
    part = "" if len(rows) == len(report.pairs) else f", the {len(rows)} largest of {len(report.pairs)}"
    about = f"The change of the top-1 error of {len(report.pairs)} pairs of runs, with 95 % intervals."
    title, axis = f"Change of top-1 error{part}", "change of top-1 error, points"
    return Bars("changes", title, about, axis, rows, zero=True, question="Which changes are beyond chance?")


def classes(report: Report, pair: Pair) -> Bars:
    """Images fixed (to the left) and broken (to the right) in the classes that changed most."""
    most = pair.comparison.classes[:MOST_CLASSES]
    rows = tuple(
        Row(
            report.class_name(pair.before, c.label),
            f"{c.fixed} fixed, {c.broken} broken of {c.n}",
            tuple(bar for bar in (Bar(0, -c.fixed, "better"), Bar(0, c.broken, "worse")) if bar.end),
        )
        for c in most
    )
    part = (
        ""
        if len(most) == len(pair.comparison.classes)
        else f", {len(most)} of {len(pair.comparison.classes)} that changed"
    )
    title = f"Images fixed and broken, by class{part}: {runs.pair_words(pair.before, pair.after)}"
    about = f"Images fixed and broken in each of {len(most)} classes."
    axis = "images: fixed to the left, broken to the right"
    return Bars(f"{pair.name}-classes", title, about, axis, rows, counts=True, question=CLASSES)


def reliabilities(report: Report) -> Iterator[Points]:
    """The calibration of each run that has one, but at most of the first ``MOST_RUNS`` runs."""
    for entry in report.entries[:MOST_RUNS]:
        if entry.side.calibration is not None:
            yield reliability(entry, entry.side.calibration, network=report.networks() > 1)


def reliability(entry: Entry, calibration: Calibration, *, network: bool) -> Points:
    """The accuracy at each confidence; on the diagonal the two are equal."""
    points = []
    for b in calibration.bins:
        low, high = significance.wilson(Count(b.right, b.n))
        label, protocol = f"{b.n} images", str(entry.row["protocol"])
        points.append(Point(b.confidence, b.right / b.n, low, high, label, protocol))
    row = entry.row
    error = decimals(100 * Fraction(calibration.ece), 2)
    about = f"Accuracy over confidence in {len(points)} bins; expected calibration error {error} %."
    return Points(
        f"calibration-{entry.run_id}",
        f"{row['architecture'] + ', ' if network else ''}{row['protocol']}: ECE {error} %",
        about,
        "confidence",
        "accuracy",
        (Series(str(row["protocol"]), tuple(points)),),
        square=True,
        question="Is the network right as often as it is confident?",
    )


def course(training: TrainingContent) -> Lines:
    """The accuracy after each epoch: exact, smoothed as PNN printed it, and exact on held-out images if there are any.

    Two points are marked: the last exact one, and the best smoothed one, which a source that prints the best epoch
    would have chosen.
    """
    epochs = training.epochs
    exact = tuple((float(e.number), float(100 - 100 * e.test.ratio)) for e in epochs)
    smoothed = tuple((float(e.number), float(100 * e.smoothed)) for e in epochs)
    heldout = tuple((float(e.number), float(100 - 100 * e.heldout.ratio)) for e in epochs if e.heldout is not None)
    best = max(range(len(epochs)), key=lambda i: epochs[i].smoothed)
    lines = [Line("exact, all test images", exact, len(exact) - 1), Line("smoothed, as PNN printed", smoothed, best)]
    lines += [Line("exact, held-out images", heldout)] if heldout else []
    last, chosen = (decimals(Fraction(y), 2) for y in (exact[-1][1], smoothed[best][1]))
    about = (
        f"Accuracy over {len(epochs)} epochs: {last} % in the last one; the best smoothed one would be printed as "
        f"{chosen} %, of epoch {epochs[best].number}."
    )
    return Lines(f"training-{training.run_id}", training.name, about, "epoch", "accuracy %", tuple(lines), COUNTED)


def watched(training: TrainingContent) -> Lines:
    """The errors on training images under each perturbation that the recipe watches, after each epoch."""
    epochs = training.epochs
    lines = [
        Line(name, tuple((float(e.number), float(100 * e.watched[name].ratio)) for e in epochs))
        for name in epochs[-1].watched
    ]
    last = ", ".join(f"{line.label} {decimals(Fraction(line.points[-1][1]), 1)} %" for line in lines)
    about = f"Errors on training images over {len(epochs)} epochs; in the last one: {last}."
    return Lines(f"watched-{training.run_id}", training.name, about, "epoch", "training error %", tuple(lines), WATCHED)


def _tone(change: float) -> Tone:
    return "plain" if change == 0 else "better" if change < 0 else "worse"


def _error(entry: Entry) -> Fraction:
    return Fraction(100 * entry.row["top1_errors"], entry.row["n"])


def _percent(value: Fraction, n: int) -> str:
    return decimals(value, places(n))


def _change(pair: Pair) -> str:
    top1, digits = pair.comparison.top1, places(pair.comparison.top1.n)
    low, high = (signed(100 * Fraction(bound), digits) for bound in (top1.low, top1.high))
    return f"{signed(100 * top1.change, digits)} [{low}, {high}]"
