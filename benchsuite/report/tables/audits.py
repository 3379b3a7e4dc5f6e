"""Published accountings of one run, or of an accuracy, in words and as tables."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from benchsuite.report.tables.text import Table, image_count
from benchsuite.stats.digits import decimals, places, signed, with_interval
from benchsuite.stats.metrics import Count

Facts = dict[str, Any]

LEGEND = {
    "rows": "off: points from the exact accuracy of the last epoch; images: the same as a number of images; "
    "other orders: mean and standard deviation over random orders of the same images; counted: number of images whose "
    "plain mean is as noisy; by count: the part of off that comes from counting, not from the choice of the epoch.",
    "claims": ">=, =, <=: percentage of the random numbers that, rounded to the decimal places of the claim, are at "
    "least, exactly or at most the claim; even odds: number of independent epochs of which the best is >= half of the "
    "time.",
}


def printed_words(record: Facts) -> str:
    """The exact accuracy, and the numbers that published accountings would have printed, in one sentence."""
    digits, hits = places(record["n"]), Count(record["hits"], record["n"])
    low, high = (end(record["rows"], key=lambda row: float(row["printed"])) for end in (min, max))
    sizes = ", ".join(map(str, record["batch_sizes"]))
    ends = [f"{decimals(Fraction(row['printed']), digits)} ({row['accounting']})" for row in (low, high)]
    printed = f"published accountings print {ends[0]} to {ends[1]} in batches of {sizes}"
    return f"{record['run_id']}: {decimals(100 * hits.ratio, digits)} % of the images are right; {printed}."


def claim_words(record: Facts) -> str:
    """Which accountings print the claim or more at least half of the time, in one sentence."""
    digits, claim = places(record["n"]), f"{record['claim']:g}"
    even = [row["accounting"] for row in record["claims"] if row["at_least"] >= 50]
    often = ", ".join(dict.fromkeys(even)) or "no accounting"
    exact = max(row["at_least"] for row in record["claims"] if row["accounting"].startswith("exact"))
    true = decimals(Fraction(record["accuracy"]), digits)
    printed = f"{claim} % or more is printed at least half of the time by {often}, if {true} % are right"
    return f"{printed}; by exact counting in {decimals(Fraction(exact), 1)} %."


def run_words(record: Facts) -> list[str]:
    """What was counted: the images, the epochs, and how the source of the recipe counted."""
    digits, hits = places(record["n"]), Count(record["hits"], record["n"])
    seen = image_count({"n": record["n"], "of": record["of"]})
    last = f" in the last of {record['passes']} epochs" if record["passes"] > 1 else ""
    one = decimals(Fraction(100 / record["n"]), digits)
    lines = [f"exact: {hits.hits} right of {seen}{last}, {with_interval(hits)} %, an image is {one} points"]
    lines += [f"preprocessing: {text}" for text in record["preprocessing"]]
    if not record["finished"]:
        lines.append("the training is not finished: these are its epochs so far")
    if record["recipe_accounting"]:
        lines.append(f"the source of its recipe counted {record['recipe_accounting']}")
    return lines


def printed_table(record: Facts, *, every: bool) -> Table:
    """What each accounting prints: in detail for one batch size, for several a column for each.

    With ``every`` a column also has the difference from the exact accuracy: ``86.39 +0.48``.
    """
    digits = places(record["n"])
    if len(record["batch_sizes"]) == 1:
        return _one_size(record, digits)
    lines: dict[str, list[str]] = {}
    for row in record["rows"]:
        off = f" {signed(Fraction(row['off']), digits)}" if every else ""
        line = lines.setdefault(row["accounting"], [row["accounting"]])
        line.append(f"{decimals(Fraction(row['printed']), digits)}{off}")
    first, *others = map(str, record["batch_sizes"])
    return ["accounting", f"% in batches of {first}", *others], list(lines.values())


def _one_size(record: Facts, digits: int) -> Table:
    """One row per accounting: the printed number, its difference, and its mean and spread over orders of the images."""
    headers = ["accounting", "printed", "off", "images", "other orders", "counted"]
    headers += ["epoch", "by count"] if record["passes"] > 1 else []
    lines = []
    for row in record["rows"]:
        line = [
            row["accounting"],
            decimals(Fraction(row["printed"]), digits),
            signed(Fraction(row["off"]), digits),
            signed(Fraction(row["off_images"]), 1),
            f"{decimals(Fraction(row['orders_mean']), digits)} +-{decimals(Fraction(row['orders_spread']), digits)}",
            str(round(row["images_counted"])),
        ]
        parts = [str(row["epoch"]), signed(Fraction(row["off_count"]), digits)]
        lines.append(line + (parts if record["passes"] > 1 else []))
    return headers, lines


def claim_table(record: Facts, size: int) -> Table:
    """One row per accounting: what it prints for independent errors, and how much of that reaches the claim."""
    digits = places(record["n"])
    own = any(row["orders_at_least"] is not None for row in record["claims"])
    headers = ["accounting", "median", "95 % within", ">= claim", "= claim", "<= claim"]
    headers += ["orders >=", "orders <="] if own else []
    headers += ["even odds"] if any(row["epochs_for_even_odds"] for row in record["claims"]) else []
    lines = []
    for row in record["claims"]:
        if row["batch_size"] != size:
            continue
        line = [row["accounting"], decimals(Fraction(row["median"]), digits)]
        line.append(f"{decimals(Fraction(row['low']), digits)}..{decimals(Fraction(row['high']), digits)}")
        names = ["at_least", "rounds_to", "at_most", *(["orders_at_least", "orders_at_most"] if own else [])]
        line += ["" if row[name] is None else decimals(Fraction(row[name]), 1) for name in names]
        if len(headers) > len(line):
            line.append(str(row["epochs_for_even_odds"] or ""))
        lines.append(line)
    return headers, lines


def without_same(table: Table) -> Table:
    """The table with the first of the accountings whose numbers are all the same."""
    headers, rows = table
    return headers, list({tuple(row[1:]): row for row in reversed(rows)}.values())[::-1]


def same_words(table: Table) -> list[str]:
    """The accountings that ``without_same`` leaves out, next to the one with the same numbers."""
    same = dict[tuple[str, ...], list[str]]()
    for name, *numbers in table[1]:
        same.setdefault(tuple(numbers), []).append(name)
    words = "; ".join(f"{', '.join(others)} as {first}" for first, *others in same.values() if others)
    return [f"the same numbers: {words}"] if words else []


def reasons(record: Facts) -> list[str]:
    """A line for each accounting: its name, what it does, and its source. Then the legend of the columns."""
    rows = {row["accounting"]: row for row in record["claims"] or record["rows"]}
    notes = [LEGEND["rows"]] if record["rows"] and len(record["batch_sizes"]) == 1 else []
    notes += [LEGEND["claims"], record["note"]] if record["claims"] else []
    return [*(f"{name}: {row['reason']} [{row['source']}]" for name, row in rows.items()), *notes]
