"""The report as one self-contained HTML page: no network, no other file, and readable without its script."""

from __future__ import annotations

import base64
import hashlib
import importlib.resources
import string
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial

from benchsuite import __version__
from benchsuite.report.content import Entry, LadderContent, Pair, Report
from benchsuite.report.frequency import section as frequency
from benchsuite.report.gallery import Picture
from benchsuite.report.html import elements
from benchsuite.report.html.short_names import networks, short_names, shortened
from benchsuite.report.markup import breakable, escaped, indented, tag
from benchsuite.report.plots import figures, palette
from benchsuite.report.plots.axes import minus
from benchsuite.report.summary import sentences, several
from benchsuite.report.tables import runs, trainings
from benchsuite.report.tables import sheet as sheets
from benchsuite.report.tables.group_errors import group_sheets
from benchsuite.report.tables.sheet import Sheet
from benchsuite.report.training_content import TrainingContent

MANIFESTS = 800_000
"""Upper bound on the characters of all manifests in a page; the runs beyond it show only their command."""

READING = (
    "Errors are exact counts; a percentage is rounded once. Intervals are 95 % intervals: Wilson's for an error rate, "
    "Tango's for a change on the same images. Points are percentage points of top-1 error.",
    "p is the p-value of McNemar's exact test on the images that were fixed and broken; p (Holm) is corrected for the "
    "tests in the same table. A change whose p (Holm) is above 0.05 may be chance.",
    "The calibration error is the mean distance between confidence and accuracy over 15 bins of equal width, weighted "
    "by the images in each bin. Megapixels count the pixels of all views of one square image.",
)

READING_TRAININGS = (
    "The smoothed accuracy is updated after each batch, as the monitor of PNN did: 0.7 times the value before plus 0.3 "
    "times the accuracy of the batch. So it depends on the last few batches alone. It is shown only for comparison "
    "with the exact accuracy.",
)


def page(report: Report, *, title: str, pictures: Mapping[str, Sequence[Picture]], notes: Sequence[str] = ()) -> str:
    """The text of the whole page. The same report always gives the same text."""
    style, script = palette.css() + _asset("page.css"), _asset("copy.js") + _asset("page.js")
    short = short_names(networks(report))
    published = runs.published(report)  # with full names: options say which network a source has
    report = shortened(report, short)
    sections = [(name, words, body) for name, words, body in _sections(report, published, pictures) if body]
    links = [("summary", "Summary"), *((name, words) for name, words, _ in sections)]
    contents = "".join(tag("li", tag("a", escaped(words), href=f"#{name}")) for name, words in links)
    main = "\n".join(
        tag("section", elements.heading(2, words, name) + "\n" + body, id=name) for name, words, body in sections
    )
    return string.Template(_asset("page.html")).substitute(
        title=escaped(title),
        version=escaped(__version__),
        summary=_summary(report) + _folded_names(short),
        about=escaped(_about(report)),
        notes="".join(tag("p", escaped(note), cls="quiet") for note in notes),
        contents=contents,
        main=main,
        style=style,
        style_digest=_digest(style),
        script=script,
        script_digest=_digest(script),
    )


def _asset(name: str) -> str:
    return (importlib.resources.files("benchsuite.report.html") / name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """The hash by which the page's security policy allows this style or script, and no other."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _summary(report: Report) -> str:
    """The sentences of the summary, the first one large."""
    texts = [elements.unbroken(minus(sentence)) for sentence in sentences(report)]
    return "".join(tag("p", text, cls="" if at else "summary") for at, text in enumerate(texts))


def _folded_names(short: Mapping[str, str]) -> str:
    """The full names of networks that the page calls by short ones; empty if there are none."""
    folded = {one: full for full, one in short.items() if one != full}
    if not folded:
        return ""
    lines = "".join(tag("dt", escaped(one)) + tag("dd", breakable(full)) for one, full in folded.items())
    words = f"Options of {several(len(folded), 'network')} with a short name"
    return elements.folded("networks", words, tag("dl", lines, cls="names"), what="the options of networks")


def _about(report: Report) -> str:
    """When the runs were made, and by what."""
    every = [entry.manifest for entry in report.entries] + [one.manifest for one in report.trainings]
    days = sorted(str(manifest["created"])[:10] for manifest in every)
    versions = ", ".join(sorted({str(manifest["benchsuite"]) for manifest in every}))
    when = days[0] if days[0] == days[-1] else f"{days[0]} to {days[-1]}"
    numbers = [(len(report.entries), "run"), (len(report.trainings), "training")]
    words = " and ".join(several(number, noun) for number, noun in numbers if number)
    return f"{words} made {when} by benchsuite {versions}"


def _sections(
    report: Report, published: Sheet, pictures: Mapping[str, Sequence[Picture]]
) -> Iterator[tuple[str, str, str]]:
    """Each section's name, title and markup; the markup of an empty section is empty."""
    for number, ladder in enumerate(report.ladders, 1):
        words = "Ladder" if len(report.ladders) == 1 else f"Ladder {number}"
        yield ladder.name, words, _ladder(report, ladder, pictures)
    for content in report.frequencies:
        name = partial(report.class_name_in, content.data)
        yield (
            content.name,
            frequency.title(content, report.frequencies),
            tag("div", frequency.section(content, name, report.palette), cls="frequency"),
        )
    sheet = partial(elements.sheet, palette=report.palette)
    yield "results", "Results", sheet(runs.runs(report)) if report.entries else ""
    groups = group_sheets(entry.row for entry in report.entries)
    yield "groups", "By group", "".join(map(sheet, groups))
    yield "cost", "Views and cost", elements.plots(figures.costs(report), elements.HALF, "plots", report.palette)
    yield "changes", "Comparisons", _changes(report, pictures)
    yield "believed", "Calibration", _calibration(report) if report.entries else ""
    yield "printed", "Published figures", sheet(published) if published.rows else ""
    yield "training", "Training", _trainings(report)
    yield "manifests", "Runs", _manifests((*report.entries, *report.trainings))
    reading = (*READING, *(READING_TRAININGS if report.trainings else ()))
    yield "reading", "How to read this", "".join(tag("p", escaped(words)) for words in reading)


def _ladder(report: Report, ladder: LadderContent, pictures: Mapping[str, Sequence[Picture]]) -> str:
    plot, sheet = (partial(made, palette=report.palette) for made in (elements.plot, elements.sheet))
    shares = runs.shares(ladder)
    return "\n".join(
        (
            plot(figures.waterfall(ladder), elements.WIDE),
            sheet(runs.rungs(ladder)),
            plot(figures.shares(ladder), elements.WIDE) + sheet(shares) if shares.rows else "",
            *(_pair(report, pair, pictures.get(pair.name, ())) for pair in ladder.pairs),
        )
    )


def _changes(report: Report, pictures: Mapping[str, Sequence[Picture]]) -> str:
    if not report.pairs:
        return ""
    details = "".join(_pair(report, pair, pictures.get(pair.name, ())) for pair in report.pairs)
    plot = elements.plot(figures.changes(report), elements.WIDE, report.palette)
    return plot + elements.sheet(runs.pairs(report), report.palette) + details


def _pair(report: Report, pair: Pair, shown: Sequence[Picture]) -> str:
    """The classes and images of a pair in a closed ``<details>``; empty for a pair that is only a row of the table."""
    if not pair.changed:
        return ""
    top1 = pair.comparison.top1
    what = runs.pair_words(pair.before, pair.after, network=report.networks() > 1)
    words = f"{what}: {top1.fixed} fixed, {top1.broken} broken"
    body = [
        elements.plot(figures.classes(report, pair), elements.HALF, report.palette),
        elements.sheet(runs.classes(report, pair), report.palette, elements.NESTED_ROWS),
    ]
    for fixed in (True, False):
        body.append(_gallery(report, pair, [p for p in shown if p.image.fixed is fixed], fixed=fixed))
    body.append(elements.sheet(runs.images(report, pair), report.palette, elements.NESTED_ROWS))
    return elements.folded(pair.name, words, "".join(body), what=what)


def _gallery(report: Report, pair: Pair, shown: Sequence[Picture], *, fixed: bool) -> str:
    if not shown:
        return ""
    every = pair.comparison.top1.fixed if fixed else pair.comparison.top1.broken
    words = f"{'Fixed' if fixed else 'Broken'}: {len(shown)} of {every} images"
    cards = "".join(_card(report, pair.before, picture) for picture in shown)
    return elements.heading(3, words, f"{pair.name}-{'fixed' if fixed else 'broken'}") + tag("ul", cards, cls="gallery")


def _card(report: Report, entry: Entry, picture: Picture) -> str:
    image, small = picture.image, picture.thumbnail
    truth = report.class_name(entry, image.label)
    size = f'width="{small.width}" height="{small.height}"' + (' class="tiny"' if small.tiny else "")
    shown = f'<img src="{small.uri}" {size} alt="{escaped(truth)}" decoding="async">'
    lines = [tag("dt", escaped(truth), cls="truth"), tag("dt", escaped(image.id))]
    for when, answers in (("before", image.before), ("after", image.after)):
        lines.append(tag("dt", when))
        for label, probability in answers:
            name, share = report.class_name(entry, label), sheets.number(100 * probability, 1).text
            cells = tag("span", escaped(name), title=name) + tag("span", f"{share} %")
            lines.append(tag("dd", cells, cls="right" if label == image.label else ""))
    return tag("li", shown + tag("dl", "".join(lines)))


def _calibration(report: Report) -> str:
    plots = elements.plots(figures.reliabilities(report), elements.SMALL, "small", report.palette)
    part = f"The first {figures.MOST_RUNS} of {len(report.entries)} runs are drawn."
    note = tag("p", part, cls="remark") if len(report.entries) > figures.MOST_RUNS else ""
    return elements.sheet(runs.calibrations(report), report.palette) + note + plots


def _trainings(report: Report) -> str:
    """The tables of all trainings, a plot of each, and its epochs in a closed ``<details>``."""
    content, plots = report.trainings, partial(elements.plots, palette=report.palette)
    sheet = partial(elements.sheet, palette=report.palette)
    if not content:
        return ""
    parts = [*map(sheet, trainings.in_two(trainings.trainings(content))), sheet(trainings.accountings(content))]
    parts.append(plots(map(figures.course, content), elements.HALF, "plots"))
    watching = [one for one in content if one.epochs[-1].watched]
    if watching:
        parts.append(sheet(trainings.watched(watching)))
        parts.append(plots(map(figures.watched, watching), elements.HALF, "plots"))
    for one in content:
        table = trainings.epochs(one)
        body = sheet(table, first=elements.NESTED_ROWS)
        parts.append(elements.folded(f"course-{one.run_id}", table.title, body, what=f"the epochs of {one.digest}"))
    return "\n".join(parts)


def _manifests(entries: Iterable[Entry | TrainingContent]) -> str:
    """Each run's command and manifest in a closed ``<details>``."""
    parts, spent = [], 0
    for entry in entries:
        text = indented(entry.manifest)
        spent += len(text)
        lines = [tag("p", tag("code", escaped(entry.manifest["command"])), cls="command")]
        lines += _ties(entry) if isinstance(entry, Entry) else ()
        if spent <= MANIFESTS:
            lines.append(tag("pre", escaped(text), tabindex="0", **{"aria-label": f"manifest of {entry.run_id}"}))
        else:
            note = "This manifest is left out to keep the page small; benchsuite show prints it."
            lines.append(tag("p", note, cls="remark"))
        parts.append(elements.folded(f"run-{entry.run_id}", entry.run_id, "".join(lines), what=entry.run_id))
    return "\n".join(parts)


def _ties(entry: Entry) -> Iterator[str]:
    """The numbers of near ties: images whose answer rounding could have changed."""
    ties = entry.row["near_ties"]
    if ties["top1"] or ties["top5"]:
        words = f"within {ties['tolerance']:g} of a tie: {ties['top1']} at top-1, {ties['top5']} at top-5"
        yield tag("p", escaped(words), cls="remark")
