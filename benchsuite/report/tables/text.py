"""Tables as plain text for the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from benchsuite.explanation import ledger
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.meaning import ranked
from benchsuite.specs.view import border_words
from benchsuite.stats.digits import decimals, percent, places, signed, with_interval
from benchsuite.stats.metrics import Count

NAMED = 4
"""At most this many results are named in a line about several of them."""

CONVERTED = {
    "depth": "images of more than 8 bits were scaled to 8",
    "alpha": "transparent images were put on {}",
}
"""Remarks on options of the data set by which images became RGB in another way than usual."""

Table = tuple[list[str], list[list[str]]]

RESULT = (
    "architecture",
    "weights",
    "protocol",
    "dataset",
    "n",
    "top-1 error %",
    "top-5 error %",
    "views",
    "images/s",
    "decode / wait / forward s",
)
PUBLISHED = (
    "model",
    "variant",
    "weights or run",
    "protocol",
    "dataset",
    "top-1 error %",
    "top-5 error %",
    "source",
    "this run",
)


def image_count(row: Mapping[str, Any]) -> str:
    """How many images a result counts: ``50000``, or ``500 of 50000`` where it is not the whole split."""
    n, whole = row["n"], row.get("of")
    if whole is None:
        return str(n) if row["limit"] is None else f"{n} (limited)"
    return str(n) if n == whole else f"{n} of {whole}"


def dataset_words(row: Mapping[str, Any]) -> str:
    """The data set of a result, and the loader if its pixels are not those of the reference decoder."""
    return str(row["dataset"]) if row.get("exact", True) else f"{row['dataset']} ({row['loader']}, not exact)"


def result_table(rows: Iterable[Mapping[str, Any]]) -> Table:
    """The table of results: the headers, and one list of cells per row of ``result_row``.

    The error by reassessed labels is a column only if a result has one.
    """
    lines, rows = [], list(rows)
    real = any("real_n" in row for row in rows)
    at = RESULT.index("top-5 error %")
    for row in rows:
        speed, seconds = row["images_per_second"], row["seconds"]
        lines.append(
            [
                row["architecture"],
                row["weights"],
                row["protocol"],
                dataset_words(row),
                image_count(row),
                with_interval(Count(row["top1_errors"], row["n"])),
                with_interval(Count(row["top5_errors"], row["n"])),
                str(row["views"]),
                "" if speed is None else decimals(Fraction(speed), 1),
                " / ".join(decimals(Fraction(seconds[part]), 1) for part in ("decode", "wait", "forward")),
            ]
        )
        if real:
            n = row.get("real_n", 0)
            lines[-1].insert(at, with_interval(Count(row["real_errors"], n)) + f" of {n}" if n else "")
    return [*RESULT[:at], *(["ReaL error %"] if real else []), *RESULT[at:]], lines


def remarks(row: Mapping[str, Any]) -> list[str]:
    """What a reader of a result must know besides its numbers: where it is, and what limits it."""
    ties, relative = row["near_ties"], row.get("relative_error")
    words = [relative_words(relative)] if relative else []
    words += [f"answered from {row['path']}" if row["cached"] else f"written to {row['path']}"]
    if row["limit"] is not None:
        words.append(f"limited to {row['n']} images")
    if "among" in row:
        words.append(f"answers are chosen among {row['among']} classes")
    words += [CONVERTED[name].format(value) for name, value in row.get("conversion", {}).items()]
    if ties["top1"] or ties["top5"]:
        words.append(f"within {ties['tolerance']:g} of a tie: {ties['top1']} at top-1, {ties['top5']} at top-5")
    if "borders" in row:
        borders = " and ".join(f"a border of {border_words(pad, kind)}" for pad, kind in row["borders"])
        words.append(f"crops reach into {borders}")
    if "enlarged" in row:
        shorts = ", ".join(map(str, row["enlarged"]))
        words.append(f"images are resized to a short side of {shorts}: the weights have {row['own_size']}, no margin")
    if row.get("vanished"):
        words.append(f"the gradient of {row['vanished']} images is zero everywhere: the attack says nothing about them")
    return words


def relative_words(found: Mapping[str, Any]) -> str:
    """An error relative to a reference network, the object ``relative_error`` of a result, such as ``mCE 76.70 %``."""
    if found["value"] is None:
        missing, cells = found["missing"], found["cells"]
        more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        return f"{found['name']} needs {cells} groups of each {found['by']}, which {missing[0]}{more} lack"
    return f"{found['name']} {decimals(Fraction(found['value']), 2)} % (relative to {found['source']})"


PREPARED = ("preprocessing", "sizes by the protocol")
"""How the lines of ``preprocessing_lines`` begin."""


def preprocessing_lines(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """How images were prepared, and where that comes from: a line for each way; then the sizes of the protocols.

    The results that a line is about are not named if it is about all of them; else by as few of their fields as tell
    the lines apart, and of more than four only the first.
    """
    from benchsuite.evaluation.preprocessing import SIZES

    ways, sizes = dict[str, list[Mapping[str, Any]]](), dict[str, list[Mapping[str, Any]]]()
    for row in rows:
        parts = [text.partition(SIZES) for text in row.get("preprocessing", ())]
        if parts:
            ways.setdefault("; and ".join(dict.fromkeys(way for way, _, _ in parts)), []).append(row)
            sizes.setdefault("; and ".join(dict.fromkeys(own for _, _, own in parts if own)), []).append(row)
    names = _names(list(ways.values()), ("architecture", "weights", "recipe", "protocol"))
    lines = [f"{PREPARED[0]}{f' of {who}' if len(ways) > 1 else ''}: {w}" for w, who in zip(ways, names, strict=True)]
    names = _names(list(sizes.values()), ("protocol", "architecture", "weights"))
    own = [f"{who}: {text}" for text, who in zip(sizes, names, strict=True) if text]
    return [*lines, *([f"{PREPARED[1]}: {'; '.join(own)}"] if own else [])]


def _names(groups: Sequence[Sequence[Mapping[str, Any]]], fields: Sequence[str]) -> list[str]:
    """A name for each group of results, of the first of the fields that are enough to tell the groups apart."""
    named = list[list[str]]()
    for count in range(1, len(fields) + 1):
        named = [
            list(dict.fromkeys(" ".join(str(row[f]) for f in fields[:count] if f in row) for row in group))
            for group in groups
        ]
        if len({name for names in named for name in names}) == sum(map(len, named)):
            break
    return [", ".join(names) if len(names) <= NAMED else f"{names[0]} and {len(names) - 1} more" for names in named]


def preprocessing_of(runs: Iterable[Any]) -> list[str]:
    """``preprocessing_lines`` of runs that are objects with these fields, such as the sides of a comparison."""
    fields = ("architecture", "weights", "protocol", "preprocessing")
    return preprocessing_lines([{f: getattr(run, f) for f in fields} for run in runs])


def published_table(rows: Sequence[Mapping[str, Any]], most: int = 8) -> Table:
    """The published figures for the same models and protocols, at most ``most`` of each, the most comparable first.

    If network, weights, dataset and views are the same, the last column is the measured top-1 error and its difference
    from the published one; else it names what differs.
    """
    lines: list[list[str]] = []
    for compared in ranked(rows):
        lines += [_published_line(figures, words, row) for words, figures, row in compared[:most]]
        if len(compared) > most:
            model = ledger.base(compared[0][2]["architecture"])
            rest = f"and {len(compared) - most} more: benchsuite list published --model {model}"
            lines.append([rest, *[""] * (len(PUBLISHED) - 1)])
    return list(PUBLISHED), lines


def _published_line(figures: Sequence[Published], words: Sequence[str], row: Mapping[str, Any]) -> list[str]:
    first = figures[0]
    size = "/".join(str(part) for part in (first.short_side, first.crop) if part)
    errors = {figure.k: figure.error for figure in figures}
    return [
        first.model,
        first.variant,
        first.weights or first.run,
        " ".join(part for part in (first.protocol_text, size) if part),
        first.dataset,
        *("" if errors.get(k) is None else str(errors[k]) for k in (1, 5)),
        first.source + ("" if first.status == "verified" else " (unverified)"),
        "; ".join(words) or measured_words(figures, row),
    ]


def measured_words(figures: Iterable[Published], row: Mapping[str, Any]) -> str:
    """The measured top-1 error of a run, and its difference from the published one: ``23.880 (+0.010)``."""
    count = Count(row["top1_errors"], row["n"])
    published = next((figure.error for figure in figures if figure.k == 1), None)
    if published is None:
        return percent(count)
    return f"{percent(count)} ({signed(100 * count.ratio - Fraction(published), places(count.total))})"


PROFILE = (
    "architecture",
    "protocols",
    "images",
    "decode s",
    "resize s",
    "wait s",
    "prepare s",
    "forward s",
    "other s",
    "total s",
    "images/s",
    "forward alone",
    "of it",
    "peak GiB",
)
_RATES = ("images_per_second", "forward_alone")


def profile_table(profiles: Iterable[Mapping[str, Any]]) -> Table:
    """How the time of each pass was spent: the headers, and one list of cells per object of ``profile.profiles``."""
    lines = []
    for one in profiles:
        total, memory = one["total"], [one["peak_memory"], one["device_memory"]]
        lines.append(
            [
                one["architecture"],
                " + ".join(one["protocols"]),
                str(one["images"]),
                *(decimals(Fraction(one[part]), 2) for part in ("decode", "resize")),
                *(_with_share(one[part], total) for part in ("wait", "prepare", "forward", "other")),
                decimals(Fraction(total), 2),
                *("" if one[r] is None else decimals(Fraction(one[r]), 1) for r in _RATES),
                "" if one["of_limit"] is None else decimals(Fraction(one["of_limit"]), 2),
                " + ".join(decimals(Fraction(size, 2**30), 2) for size in memory if size is not None),
            ]
        )
    return list(PROFILE), lines


def _with_share(part: float | None, total: float) -> str:
    """Seconds and their share of the total: ``1.25 (10.0 %)``; empty if they were not counted."""
    if part is None:
        return ""
    share = f" ({decimals(100 * Fraction(part) / Fraction(total), 1)} %)" if total else ""
    return decimals(Fraction(part), 2) + share


Row = Mapping[str, Any]


def training_table(rows: Sequence[Row]) -> Table:
    """A line for each training: its last epoch, its best epoch on held-out images, and what its source would print."""
    headers = ["architecture", "recipe", "dataset", "epochs", "n", "last epoch, error %", "best held-out, error %"]
    headers += ["counted as the source", "source says", "images/s", "minutes"]
    lines = []
    for row in rows:
        best, source = row["best_heldout"], row["as_source"]
        lines.append(
            [
                row["architecture"],
                row["recipe"],
                row["dataset"],
                str(row["epochs"]),
                str(row["n"]),
                with_interval(Count(row["top1_errors"], row["n"])),
                "-"
                if best is None
                else f"{percent(Count(best['test_errors'], best['test_n']))} (epoch {best['epoch']})",
                "-" if source is None else f"{_digits(source['top1_error'])} (epoch {source['epoch']})",
                row["expected"],
                "-" if row["images_per_second"] is None else _digits(row["images_per_second"], 1),
                _digits(sum(row["seconds"].values()) / 60, 1),
            ]
        )
    return headers, lines


def grid_table(rows: Sequence[Row]) -> Table:
    """A line for each combination: the level of each factor, and the error of the last epoch."""
    factors = list(rows[0]["levels"]) if rows else []
    lines = []
    for row in rows:
        cells = [row["levels"][factor] for factor in factors]
        if row["failed"]:
            lines.append([*cells, "-", "-", "-", row["failed"]])
            continue
        seconds = _digits(sum(row["seconds"].values()) / 60, 1)
        error = with_interval(Count(row["top1_errors"], row["n"]))
        lines.append([*cells, str(row["epochs"]), error, seconds, row["run_id"]])
    return [*factors, "epochs run", "error %", "minutes", "training"], lines


def _digits(value: float, places: int = 2) -> str:
    return decimals(Fraction(value), places)
