"""``benchsuite data prepare``: writes the file that a fast loader reads, and reads every image in it back."""

from __future__ import annotations

import argparse
import shlex
import time
from pathlib import Path
from typing import Any

from benchsuite.api.bars import bars
from benchsuite.cli.console import out, print_json
from benchsuite.errors import BadParameter, expected
from benchsuite.specs.catalog import Catalog, load_plugins

FIELDS = ("file", "bytes", "images", "dataset", "digest", "loader", "exact", "view", "decoder", "cached")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of ``data prepare``."""
    add = parser.add_argument
    add("data", metavar="NAME[:PATH]", help="imagenet:PATH, cifar10:PATH, folder:PATH, digits ...")
    add("--loader", required=True, metavar="NAME", help="the loader that will read it: ffcv or ffcv:lossy")
    add(
        "--short-side",
        type=int,
        metavar="N",
        help="store images resized to short side N, for views with this resize (default: full size)",
    )
    add(
        "--interpolation",
        choices=("bilinear", "bicubic", "lanczos", "nearest", "box", "hamming"),
        metavar="NAME",
        help="interpolation of --short-side, the one that the network's weights declare (default: bilinear)",
    )
    add("--out", type=Path, metavar="FILE", help="the file to write (default: one in the cache)")
    add("--workers", type=int, metavar="N", help="number of decoding threads (default: one per core)")
    add("--fresh", action="store_true", help="write the file again even if it is up to date")


def run(args: argparse.Namespace) -> int:
    """Writes the file, or finds it up to date, and prints where it is."""
    from benchsuite.data.prefetch import cores
    from benchsuite.data.prepared_note import PreparedSpec
    from benchsuite.data.prepared_writer import prepare

    catalog = load_plugins()
    view = _view(args)
    loader = _loader(catalog, args.loader)
    if args.workers is not None and args.workers < 0:
        raise BadParameter(expected("--workers", "0 or more", args.workers))
    _, split = catalog.open_dataset(args.data)
    spec = PreparedSpec(loader, split, args.data, view, args.out, args.fresh)
    start = time.perf_counter()
    try:
        note = prepare(spec, bars(), cores() if args.workers is None else args.workers)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the incomplete file is not kept") from None
    if args.json:
        print_json({**{name: note[name] for name in FIELDS}, "seconds": time.perf_counter() - start})
    else:
        _print(args.data, note)
    return 0


def _view(args: argparse.Namespace) -> Any:
    from benchsuite.specs.view import View

    if args.short_side is None:
        if args.interpolation is not None:
            raise BadParameter(expected("--interpolation", "given with --short-side", args.interpolation))
        return None
    if args.short_side < 1:
        raise BadParameter(expected("--short-side", "at least 1", args.short_side))
    return View(args.short_side, interpolation=args.interpolation or "bilinear")


def _loader(catalog: Catalog, name: str) -> Any:
    loader = catalog.find("loader", name)
    if loader.file is None:
        able = ", ".join(known for known, other in catalog.loaders.items() if other.file is not None) or "none"
        raise BadParameter(expected("--loader", f"one that reads a prepared file ({able})", name))
    return loader


def _print(data: str, note: dict[str, Any]) -> None:
    """Prints where the file is, what it holds, and how to use it."""
    console = out()
    size = f"{note['bytes'] / 2**20:.1f} MiB"
    what = f"of short side {note['view']['resize']}" if note["view"] else "at full size" if note["exact"] else "as JPEG"
    done = "already up to date" if note["cached"] else "written and read back"
    kind = "the pixels are the reference decoder's" if note["exact"] else "the pixels are not the reference decoder's"
    summary = f"{note['file']}: {note['images']} images {what}, {size}, {done}; {kind}"
    console.print(summary, markup=False, soft_wrap=True)
    use = shlex.join(["benchsuite", "run", "ARCHITECTURE", "--data", data, "--loader", note["loader"]])
    console.print(f"use it with: {use}", markup=False, soft_wrap=True)
