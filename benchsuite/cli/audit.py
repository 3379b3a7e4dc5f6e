"""``benchsuite audit RUN``: the accuracy that each published accounting would have printed for the same predictions.

With ``--claim`` it prints how likely each accounting prints a claimed accuracy, also without a run, from the exact one.
"""

from __future__ import annotations

import argparse
import textwrap
from fractions import Fraction
from typing import Any

from benchsuite.cli.console import add_results, out, print_json, print_table
from benchsuite.report.tables.text import Table, image_count
from benchsuite.stats.digits import decimals, places, signed, with_interval
from benchsuite.stats.metrics import Count

Facts = dict[str, Any]
WIDTH = 100

LEGEND = {
    "rows": "off: points from the exact accuracy of the last epoch; images: the same as a number of images; "
    "other orders: mean and standard deviation over random orders of the same images; counted: number of images whose "
    "plain mean is as noisy; by count: the part of off that comes from counting, not from the choice of the epoch.",
    "claims": ">=, =, <=: percentage of the random numbers that, rounded to the decimal places of the claim, are at "
    "least, exactly or at most the claim; even odds: number of independent epochs of which the best is >= half of the "
    "time.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, the batch sizes to count in, the claim, and the random draws."""
    add = parser.add_argument
    add("run_name", nargs="?", metavar="RUN", help="an evaluation or a training: the beginning of its id, or its path")
    add("--batch-size", action="append", type=int, default=[], metavar="N", help="images in a batch; repeatable")
    add("--world-size", action="append", type=int, default=[], metavar="N", help="processes of a padded split")
    add("--claim", metavar="PERCENT", help="a published accuracy: how likely does each accounting print it?")
    add("--epochs", type=int, metavar="N", help="epochs that the claim was chosen from, all as accurate as the run")
    add("--accuracy", metavar="PERCENT", help="the exact accuracy, instead of a run")
    add("--images", type=int, metavar="N", help="images of the split, instead of a run (default: 10000)")
    add("--draws", type=int, default=1000, metavar="N", help="random sets of errors (default: %(default)s)")
    add("--orders", type=int, default=200, metavar="N", help="random orders of the images (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="seed of the random draws (default: %(default)s)")
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the audit."""
    from benchsuite.api.auditing import audit

    names = ("claim", "accuracy", "epochs", "images", "draws", "orders", "seed", "results")
    options = {name: getattr(args, name) for name in names}
    found = audit(args.run_name, batch_sizes=args.batch_size, world_sizes=args.world_size, **options)
    if args.json:
        print_json(found.record)
    else:
        _print(found.record, args.claim)
    return 0


def _print(record: Facts, claim: str | None) -> None:
    """Prints the tables of an audit, then what each accounting does and its source."""
    console, digits = out(), places(record["n"])
    lines = _heading(record, digits) if record["rows"] else []
    console.print("\n".join(lines), markup=False, soft_wrap=True, end="\n" if lines else "")
    sizes = record["batch_sizes"]
    if record["rows"] and len(sizes) == 1:
        _print_titled(console, f"counted in batches of {sizes[0]}", _one_size(record, digits))
    elif record["rows"]:
        _print_titled(console, "printed %, and by how many points it is off, in batches of", _sizes(record, digits))
    for size in sizes if record["claims"] else ():
        where = "the last" if record["passes"] == record["epochs"] else "each"
        epochs = f"{where} of {record['epochs']} epochs" if record["epochs"] > 1 else "one epoch"
        true = f"{decimals(Fraction(record['accuracy']), digits)} % of {record['n']} images right in {epochs}"
        title = f"chance in % to print {claim}: {true}, batches of {size}"
        _print_titled(console, title, _claimed(record, size, digits))
    console.print("\n".join(_reasons(record)), markup=False, soft_wrap=True)


def _heading(record: Facts, digits: int) -> list[str]:
    hits = Count(record["hits"], record["n"])
    seen = image_count({"n": record["n"], "of": record["of"]})
    last = f" in the last of {record['passes']} epochs" if record["passes"] > 1 else ""
    one = decimals(Fraction(100 / record["n"]), digits)
    lines = [
        record["run_id"],
        f"exact: {hits.hits} right of {seen}{last}, {with_interval(hits)} %, an image is {one} points",
    ]
    lines += [f"preprocessing: {text}" for text in record["preprocessing"]]
    if not record["finished"]:
        lines.append("the training is not finished: these are its epochs so far")
    if record["recipe_accounting"]:
        lines.append(f"the source of its recipe counted {record['recipe_accounting']}")
    return lines


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


def _sizes(record: Facts, digits: int) -> Table:
    """One row per accounting, one column per batch size: the printed number and its difference, ``86.39 +0.48``."""
    lines: dict[str, list[str]] = {}
    for row in record["rows"]:
        line = lines.setdefault(row["accounting"], [row["accounting"]])
        line.append(f"{decimals(Fraction(row['printed']), digits)} {signed(Fraction(row['off']), digits)}")
    return ["accounting", *map(str, record["batch_sizes"])], list(lines.values())


def _claimed(record: Facts, size: int, digits: int) -> Table:
    """One row per accounting: what it prints for independent errors, and how much of that reaches the claim."""
    own = any(row["orders_at_least"] is not None for row in record["claims"])
    headers = ["accounting", "median", "95 % within", ">=", "=", "<="]
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


def _reasons(record: Facts) -> list[str]:
    """One paragraph per accounting: its name, what it does, and its source. Then the legend of the columns."""
    rows = {row["accounting"]: row for row in record["claims"] or record["rows"]}
    wide = max(map(len, rows)) + 2
    lines = []
    for name, row in rows.items():
        text = f"{name.ljust(wide)}{row['reason']} [{row['source']}]"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent=" " * wide, break_on_hyphens=False)
    notes = [LEGEND["rows"]] if record["rows"] and len(record["batch_sizes"]) == 1 else []
    notes += [LEGEND["claims"], record["note"]] if record["claims"] else []
    return lines + [line for text in notes for line in ("", *textwrap.wrap(text, WIDTH))]


def _print_titled(console: Any, title: str, table: Table) -> None:
    """Prints the title on a line of its own, of any length, and the table under it."""
    console.print(title, markup=False, soft_wrap=True)
    print_table(console, "", *table, numbers=True)
