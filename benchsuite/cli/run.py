"""``benchsuite run``: evaluates networks under protocols; a run that exists already is read from its folder."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.bars import bars
from benchsuite.cli.console import add_results, err, out, print_json, print_table
from benchsuite.errors import BadParameter, expected
from benchsuite.specs import parameters
from benchsuite.specs.catalog import load_plugins

if TYPE_CHECKING:
    from benchsuite.evaluation.question import RunRequest

WIDE = 130
"""Width of a terminal, in columns, from which on the table of results is printed as one."""

EXPECT = re.compile(r"(top[15]_error|real_error)=([0-9.]+)(?:\+-([0-9.]+))?")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``run``."""
    add = parser.add_argument
    add("architectures", nargs="+", metavar="ARCHITECTURE", help="resnet50, timm:NAME, torchvision:NAME ... or a run")
    add("-p", "--protocol", action="append", metavar="NAME[:PARAMETER=VALUE,...]", help="default: 1crop; repeatable")
    add(
        "--sweep", action="append", default=[], metavar="PARAMETER=A,B,...", help="every protocol that has it: r=4,8,12"
    )
    add_evaluation(parser)
    add("--processes", type=int, default=1, metavar="N", help="divide the work among N processes; see also torchrun")
    add("--expect", action="append", default=[], metavar="top1_error=24.7+-0.1", help="exit 1 if a result differs")
    add("--profile", action="store_true", help="also print where the time went, and what would make it faster")
    add("--format", default="table", metavar="REPORTER", help="table, markdown, csv, latex (default: %(default)s)")


def add_evaluation(parser: argparse.ArgumentParser) -> None:
    """The options for data, weights and computation, shared by every command that evaluates networks."""
    add = parser.add_argument
    add("--data", metavar="NAME[:PATH]", help="imagenet:PATH, cifar10:PATH ... (default: the embedded digits)")
    add(
        "--weights",
        metavar="NAME|FILE[,key=...]|random",
        help="declared weights, a checkpoint (file, folder, URL, hf-hub:ORG/NAME; key= chooses in it), or random",
    )
    add(
        "--transform",
        action="append",
        metavar="NAME[:PARAMETER=VALUE,...]",
        help="change the weights before they are tested, such as smooth:rho=1; repeatable, applied in order",
    )
    add("--loader", default="torch", help="how images are read (default: %(default)s)")
    add("--device", default="auto", help="auto, cpu, cuda, cuda:1 ... (default: %(default)s)")
    add(
        "--precision",
        default="auto",
        help="fp32, bf16, fp16, tf32 (CUDA) or auto: if there is much to compute, the fastest one that passes a "
        "check against fp32 on 64 of the images; else, and always in explain, fp32 (default: %(default)s)",
    )
    add(
        "--batch-size",
        type=int,
        metavar="N",
        help="views of the usual size in a batch (default: 8 on CPU, 512 on GPU at 224)",
    )
    add("--workers", type=int, metavar="N", help="decoding threads; 0 decodes in the main thread")
    add(
        "--compile",
        dest="compiled",
        action="store_true",
        help="compile the network first, which takes a minute or two; pays off in long runs",
    )
    add("--limit", type=int, metavar="N", help="evaluate N evenly spaced images; every output marks the limit")
    add("--seed", type=int, default=0, help="seed of random weights (default: %(default)s)")
    add("--fresh", action="store_true", help="evaluate again, even if results exist")
    add_results(parser)


def evaluation_options(args: argparse.Namespace) -> dict[str, Any]:
    """The options of ``add_evaluation``, as ``benchsuite.evaluate`` takes them."""
    names = ("data", "weights", "loader", "device", "precision", "batch_size", "workers", "limit", "seed", "fresh")
    options = {name: getattr(args, name) for name in (*names, "compiled", "results")}
    return options | {"transforms": tuple(args.transform or ())}


def run_request(args: argparse.Namespace, architectures: Sequence[str], protocols: Sequence[str]) -> RunRequest:
    """The ``RunRequest`` for these networks and protocols with the options of ``add_evaluation``."""
    from benchsuite.evaluation.question import RunRequest

    return RunRequest(tuple(architectures), tuple(protocols), **evaluation_options(args))


def run(args: argparse.Namespace) -> int:
    """Runs the command. Exit status 1 when an expectation is not met."""
    from benchsuite.api.evaluation import evaluate
    from benchsuite.distributed.process_group import leads
    from benchsuite.progress import Progress

    expectations = [_expectation(text) for text in args.expect]
    catalog = load_plugins()
    reporter = None if args.format == "table" else catalog.find("reporter", args.format)
    protocols = parameters.swept(args.protocol or ["1crop"], args.sweep, lambda name: catalog.find("protocol", name))
    progress = bars() if leads() else Progress()
    options = evaluation_options(args) | {"processes": args.processes}
    runs = evaluate(args.architectures, protocols, **options, catalog=catalog, progress=progress)
    rows = [dict(run.row) for run in runs]
    if not leads():
        return 0
    profiled = _profiles(rows) if args.profile else None
    if args.json:
        print_json({"runs": rows} if profiled is None else {"runs": rows, "profile": profiled})
    elif reporter is not None:
        print(reporter.render(rows), end="")
    else:
        _print_tables(rows)
    if profiled is not None and not args.json:
        _print_profiles(profiled, to_stdout=reporter is None)
    return _check(rows, expectations)


def _print_tables(rows: list[dict[str, Any]]) -> None:
    """Prints the results, the published figures for them, and their folders.

    In a narrow terminal the results are two tables.
    """
    from benchsuite.report.tables.text import published_table, remarks, result_table

    console = out()
    headers, lines = result_table(rows)
    if console.width >= WIDE:
        print_table(console, "", headers, lines)
    else:
        names, rest = ("architecture", "protocol"), ("weights", "dataset", "images/s", "decode / wait / forward s")
        for wanted in ([h for h in headers if h not in rest], [h for h in headers if h in names + rest]):
            at = [headers.index(h) for h in wanted]
            print_table(console, "", wanted, [[line[i] for i in at] for line in lines])
    print_table(console, "published", *published_table(rows))
    for row in rows:
        console.print("; ".join(remarks(row)), markup=False, soft_wrap=True)
    _print_checks(rows)


def _print_checks(rows: list[dict[str, Any]]) -> None:
    """Prints the precision that ``--precision auto`` chose and the check behind it, a line for each network."""
    from benchsuite.runs.auto_precision import describe_decision

    lines = [f"{row['architecture']}: {describe_decision(d)}" for row in rows for d in row.get("precision_check", ())]
    for line in dict.fromkeys(lines):
        out().print(line, markup=False, soft_wrap=True)


def _profiles(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """How the time of these runs was spent, from their manifests."""
    from benchsuite.runs.profile import profiles
    from benchsuite.storage.run_folder import read_manifest

    manifests = [read_manifest(Path(row["path"])) for row in rows]
    profiled = profiles([manifest for manifest in manifests if manifest is not None])
    earlier = {row["run_id"] for row in rows if row["cached"]}
    for one in profiled:
        if one["bound"] and earlier.issuperset(one["runs"]):  # this command may name another loader or N
            how = " ".join(f"--{name} {one[name]}" for name in ("loader", "workers", "processes"))
            one["advice"].insert(0, f"Measured when the run was made, with {how}; --fresh measures again.")
    return profiled


def _print_profiles(profiled: list[dict[str, Any]], *, to_stdout: bool) -> None:
    """Prints where the time went, as a table, and the advice; if a reporter prints the results, on standard error."""
    from benchsuite.report.tables.text import profile_table

    console = out() if to_stdout else err()
    headers, lines = profile_table(profiled)
    if console.width >= WIDE:
        print_table(console, "where the time went", headers, lines)
    else:
        for line in lines:
            print_table(console, "where the time went", ("", ""), list(zip(headers, line, strict=True)))
    for one in profiled:
        console.print(f"{' + '.join(one['protocols'])}: {' '.join(one['advice'])}", markup=False, soft_wrap=True)


def _expectation(text: str) -> tuple[str, float, float]:
    match = EXPECT.fullmatch(text)
    if match is None:
        raise BadParameter(expected("--expect", "written top1_error=24.7+-0.1 or top5_error=...", text))
    return match[1], float(match[2]), float(match[3] or 0)


def _check(rows: list[dict[str, Any]], expectations: list[tuple[str, float, float]]) -> int:
    status = 0
    for name, value, tolerance in expectations:
        for row in rows:
            measured = row.get(name)
            if measured is None or abs(measured - value) > tolerance + 1e-9:
                result = "missing" if measured is None else f"{measured:g}"
                message = f"{row['run_id']}: {name} is {result}, not {value:g}+-{tolerance:g}"
                print(f"benchsuite: expectation failed: {message}", file=sys.stderr)
                status = 1
    return status
