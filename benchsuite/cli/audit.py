"""``benchsuite audit RUN``: what the same predictions would have been printed as, under every accounting seen in print.

Without a run it says how likely each accounting makes a claimed accuracy, given the true one.
"""

from __future__ import annotations

import argparse
import textwrap
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from benchsuite.cli.console import add_results, out, print_json, print_table
from benchsuite.errors import BadParameter, expected
from benchsuite.report.tables.text import Table, image_count
from benchsuite.stats.digits import decimals, places, signed, with_interval
from benchsuite.stats.metrics import Count

Facts = dict[str, Any]
WIDTH = 100

LEGEND = {
    "rows": "off: points from the exact accuracy of the last epoch, and how many images that is; other orders: mean "
    "and standard deviation over random orders of the same images; counted: of how many images the plain mean is as "
    "noisy; by count: what is off by counting, not because another epoch was chosen.",
    "claims": ">=, =, <=: how many of the random numbers are printed as the claim or more, as the claim, or less, "
    "rounded to its places; even odds: of how many independent epochs the best is >= half of the time.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The run, how its batches were, and what was claimed."""
    add = parser.add_argument
    add("run_name", nargs="?", metavar="RUN", help="an evaluation or a training: its id, the beginning of one, a path")
    add("--batch-size", action="append", type=int, default=[], metavar="N", help="images in a batch; repeatable")
    add("--world-size", action="append", type=int, default=[], metavar="N", help="processes of a padded split")
    add("--claim", metavar="PERCENT", help="a printed accuracy: how likely does each accounting make it?")
    add("--epochs", type=int, metavar="N", help="epochs that the claim was chosen from, all as accurate as the run")
    add("--accuracy", metavar="PERCENT", help="the exact accuracy, in place of a run")
    add("--images", type=int, metavar="N", help="images of the split, in place of a run (default: 10000)")
    add("--draws", type=int, default=1000, metavar="N", help="random sets of errors (default: %(default)s)")
    add("--orders", type=int, default=200, metavar="N", help="random orders of the images (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="seed of what is random (default: %(default)s)")
    add_results(parser)


def run(args: argparse.Namespace) -> int:
    """Prints the audit."""
    claim, accuracy = _percent("--claim", args.claim), _percent("--accuracy", args.accuracy)
    from benchsuite.explanation.audit import AuditRequest, audit
    from benchsuite.storage.correctness import read

    request = AuditRequest(
        batch_sizes=tuple(args.batch_size),
        worlds=tuple(args.world_size),
        claim=claim,
        accuracy=accuracy,
        **{name: getattr(args, name) for name in ("epochs", "images", "draws", "orders", "seed")},
    )
    found = audit(request, read(args.results, args.run_name) if args.run_name else None)
    if args.json:
        print_json(found)
    else:
        _print(found, args.claim)
    return 0


def _print(found: Facts, claim: str | None) -> None:
    """The tables of an audit, then what each accounting does and who counts so."""
    console, digits = out(), places(found["n"])
    lines = _heading(found, digits) if found["rows"] else []
    console.print("\n".join(lines), markup=False, soft_wrap=True, end="\n" if lines else "")
    sizes = found["batch_sizes"]
    if found["rows"] and len(sizes) == 1:
        _print_titled(console, f"counted in batches of {sizes[0]}", _one_size(found, digits))
    elif found["rows"]:
        _print_titled(console, "printed %, and by how many points it is off, in batches of", _sizes(found, digits))
    for size in sizes if found["claims"] else ():
        where = "the last" if found["passes"] == found["epochs"] else "each"
        epochs = f"{where} of {found['epochs']} epochs" if found["epochs"] > 1 else "one epoch"
        true = f"{decimals(Fraction(found['accuracy']), digits)} % of {found['n']} images right in {epochs}"
        title = f"chance in % to print {claim}: {true}, batches of {size}"
        _print_titled(console, title, _claimed(found, size, digits))
    console.print("\n".join(_reasons(found)), markup=False, soft_wrap=True)


def _heading(found: Facts, digits: int) -> list[str]:
    hits = Count(found["hits"], found["n"])
    seen = image_count({"n": found["n"], "of": found["of"]})
    last = f" in the last of {found['passes']} epochs" if found["passes"] > 1 else ""
    one = decimals(Fraction(100 / found["n"]), digits)
    lines = [
        found["run_id"],
        f"exact: {hits.hits} right of {seen}{last}, {with_interval(hits)} %, an image is {one} points",
    ]
    if not found["finished"]:
        lines.append("the training is not finished: these are its epochs so far")
    if found["recipe_accounting"]:
        lines.append(f"the source of its recipe counted {found['recipe_accounting']}")
    return lines


def _one_size(found: Facts, digits: int) -> Table:
    """What is printed, by how much it is off and through what, and how the order of the images would change it."""
    headers = ["accounting", "printed", "off", "images", "other orders", "counted"]
    headers += ["epoch", "by count"] if found["passes"] > 1 else []
    lines = []
    for row in found["rows"]:
        line = [
            row["accounting"],
            decimals(Fraction(row["printed"]), digits),
            signed(Fraction(row["off"]), digits),
            signed(Fraction(row["off_images"]), 1),
            f"{decimals(Fraction(row['orders_mean']), digits)} +-{decimals(Fraction(row['orders_spread']), digits)}",
            str(round(row["images_counted"])),
        ]
        parts = [str(row["epoch"]), signed(Fraction(row["off_count"]), digits)]
        lines.append(line + (parts if found["passes"] > 1 else []))
    return headers, lines


def _sizes(found: Facts, digits: int) -> Table:
    """Accountings by batch sizes: ``86.39 +0.48`` in each cell."""
    lines: dict[str, list[str]] = {}
    for row in found["rows"]:
        line = lines.setdefault(row["accounting"], [row["accounting"]])
        line.append(f"{decimals(Fraction(row['printed']), digits)} {signed(Fraction(row['off']), digits)}")
    return ["accounting", *map(str, found["batch_sizes"])], list(lines.values())


def _claimed(found: Facts, size: int, digits: int) -> Table:
    """The numbers that independent errors would print, and how many of them reach the claim."""
    own = any(row["orders_at_least"] is not None for row in found["claims"])
    headers = ["accounting", "median", "95 % within", ">=", "=", "<="]
    headers += ["orders >=", "orders <="] if own else []
    headers += ["even odds"] if any(row["epochs_for_even_odds"] for row in found["claims"]) else []
    lines = []
    for row in found["claims"]:
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


def _reasons(found: Facts) -> list[str]:
    """One paragraph an accounting: its name, what it does, and who counts so."""
    rows = {row["accounting"]: row for row in found["claims"] or found["rows"]}
    wide = max(map(len, rows)) + 2
    lines = []
    for name, row in rows.items():
        text = f"{name.ljust(wide)}{row['reason']} [{row['source']}]"
        lines += textwrap.wrap(text, WIDTH, subsequent_indent=" " * wide, break_on_hyphens=False)
    words = [LEGEND["rows"]] if found["rows"] and len(found["batch_sizes"]) == 1 else []
    words += [LEGEND["claims"], found["note"]] if found["claims"] else []
    return lines + [line for text in words for line in ("", *textwrap.wrap(text, WIDTH))]


def _print_titled(console: Any, title: str, table: Table) -> None:
    """The title on a line of its own, however long, and the table under it."""
    console.print(title, markup=False, soft_wrap=True)
    print_table(console, "", *table, numbers=True)


def _percent(option: str, text: str | None) -> Decimal | None:
    """A percentage as it was typed: the places behind the point are kept. Raises ``BadParameter``."""
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("nan")
    if not value.is_finite():
        raise BadParameter(expected(option, "a percentage such as 90.53", text))
    return value
