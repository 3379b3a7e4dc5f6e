"""``benchsuite run``: evaluates networks under protocols; a run that exists already is read from its folder."""

from __future__ import annotations

import argparse
import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

from benchsuite.api.bars import bars
from benchsuite.cli.console import ON, add_results, print_json, print_shown
from benchsuite.specs.catalog import load_plugins

if TYPE_CHECKING:
    from benchsuite.api.evaluation import Profile


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
    add("--on", default="local", metavar="PLACE", help=ON)
    add("--expect", action="append", default=[], metavar="top1_error=24.7+-0.1", help="exit 1 if a result differs")
    add("--profile", action="store_true", help="also print where the time went, and what would make it faster")
    add("--explain", action="store_true", help="also say what the error means and what it can be compared with")
    add("--all", action="store_true", dest="every", help="also print speed, errors by group and published figures")
    add("--format", default="table", metavar="REPORTER", help="table, markdown, csv, latex (default: %(default)s)")


def add_evaluation(parser: argparse.ArgumentParser) -> None:
    """The options for data, weights and computation, shared by every command that evaluates networks."""
    add = parser.add_argument
    add(
        "--data",
        metavar="NAME[:PATH]",
        help="imagenet:PATH, or imagenet after data add ... (default: the embedded digits)",
    )
    add(
        "--weights",
        metavar="NAME|FILE[,key=...]|random",
        help="declared weights, a checkpoint (file, folder, URL, hf-hub:ORG/NAME; key= chooses in it), or random",
    )
    add(
        "--preprocess",
        metavar="NAME|FIELD=VALUE,...",
        help="prepare images as for the declared weights NAME, or with other fields, such as mean=0.5+0.5+0.5,"
        "std=0.5+0.5+0.5,range=255,channel_order=bgr,resize=256,crop=224,interpolation=bicubic; or both",
    )
    add(
        "--transform",
        action="append",
        metavar="NAME[:PARAMETER=VALUE,...]",
        help="change the weights before they are tested, such as smooth:rho=1; repeatable, applied in order",
    )
    add(
        "--loader",
        default="torch",
        metavar="NAME[,resident]",
        help="how images are read; resident: keep them in memory for all networks (default: %(default)s)",
    )
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
        "--resize-on",
        default="auto",
        metavar="PLACE",
        help="host, device or auto: images are resized on the host, on --device, or there if it is a GPU of CUDA; the "
        "pixels are the same (default: %(default)s)",
    )
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
    names = ("data", "weights", "preprocess", "loader", "device", "precision", "batch_size", "workers", "resize_on")
    options = {name: getattr(args, name) for name in (*names, "limit", "seed", "fresh", "compiled", "results")}
    return options | {"transforms": tuple(args.transform or ())}


def run(args: argparse.Namespace) -> int:
    """Runs the command. Exit status 1 when an expectation is not met."""
    from benchsuite.api.evaluation import evaluate, table_format
    from benchsuite.distributed.process_group import leads
    from benchsuite.errors import ExpectationFailed
    from benchsuite.progress import Progress

    catalog, failures = load_plugins(), list[str]()
    reporter = None if args.format == "table" else args.format
    if reporter is not None:
        table_format(reporter, catalog)  # a name that does not exist is an error before anything is computed
    options = evaluation_options(args) | {"processes": args.processes, "sweep": args.sweep, "expect": args.expect}
    options |= {"place": args.on, "explain": args.explain, "every": args.every}
    progress = bars() if leads() else Progress()
    try:
        runs = evaluate(args.architectures, args.protocol or ["1crop"], **options, catalog=catalog, progress=progress)
    except ExpectationFailed as error:
        runs, failures = error.runs, [*error.failures]
    if not leads():
        return 0
    profiled = runs.profile if args.profile else None
    if args.json:
        rows = [dict(run.row) | ({"meaning": run.meaning} if args.explain else {}) for run in runs]
        print_json({"runs": rows} if profiled is None else {"runs": rows, "profile": [*profiled.records]})
    elif reporter is not None:
        print(runs.rendered(reporter, catalog), end="")
        with redirect_stdout(sys.stderr):
            print(*(run.meaning for run in runs if args.explain), sep="\n", end="\n" if args.explain else "")
            _print_profile(profiled)
    else:
        print_shown(runs)
        _print_profile(profiled)
    for failure in failures:
        print(f"benchsuite: expectation failed: {failure}", file=sys.stderr)
    return int(bool(failures))


def _print_profile(profiled: Profile | None) -> None:
    """Prints where the time went, if that was asked for."""
    if profiled is not None:
        print()
        print_shown(profiled)
