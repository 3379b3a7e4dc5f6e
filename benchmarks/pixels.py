"""How much the pixels of loaders differ from those of the reference decoder, and the answers of a network with them.

``python benchmarks/pixels.py imagenet:PATH [--loader dali ffcv:lossy] [--network efficientnet_lite0] [--limit N]``

Every image of the data set is read by the reference loader and by each ``--loader``, resized and cropped as ``1crop``
of the network does, and compared value by value: the share of values that differ, the mean difference of all values,
the largest one, and the images that do not differ at all. A value is one of 0 to 255.

Then the network evaluates both: its top-1 errors, the images whose first answer differs, and of these the ones that
became right and wrong. With ``--network none`` only pixels are compared, at short side 256 and crop 224.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import benchsuite
from benchsuite import Crop, Loader, Sample, Split, View, load_plugins
from benchsuite.evaluation.loading import open_loader
from benchsuite.evaluation.question import RunRequest
from benchsuite.evaluation.reading import pieces
from benchsuite.runs.plan import plan
from benchsuite.specs.dataset import spread
from benchsuite.specs.view import describe
from benchsuite.storage.logit_cache import CHUNK, chunked

USUAL = View(256, Crop(224))


@dataclass
class Difference:
    """Of values, uint8, seen so far: how many, how many differ, the sum and the largest of the differences."""

    values: int = 0
    differing: int = 0
    total: int = 0
    largest: int = 0
    images: int = 0
    equal: int = 0

    def add(self, before: Any, after: Any) -> None:
        """Adds the crops of an image."""
        apart = np.abs(before.astype(np.int16) - after)
        self.values += apart.size
        self.differing += int(np.count_nonzero(apart))
        self.total += int(apart.sum())
        self.largest = max(self.largest, int(apart.max()))
        self.images += 1
        self.equal += not apart.any()

    @property
    def cells(self) -> list[str]:
        """The cells of the table."""
        share, mean = self.differing / self.values, self.total / self.values
        return [f"{100 * share:.1f} %", f"{mean:.3f}", str(self.largest), f"{self.equal} of {self.images}"]


def compared(reference: Loader, loader: Loader, split: Split, samples: tuple[Sample, ...], view: View) -> Difference:
    """The difference of the pixels of two opened loaders, in the crop of a view."""
    found = Difference()
    for part in chunked(samples, CHUNK):
        read = (pieces(one, split, part, (view,)) for one in (reference, loader))
        for before, after in zip(*read, strict=True):
            found.add(before.pixels, after.pixels)
    return found


def answers(network: str, args: argparse.Namespace, loader: str, results: Path) -> Any:
    """The run of a network with a loader."""
    same = {"data": args.data, "weights": args.weights, "limit": args.limit, "precision": "fp32", "results": results}
    return benchsuite.evaluate(network, "1crop", loader=loader, **same)


def changed(before: Any, after: Any) -> list[str]:
    """The cells of the table: errors, images with another first answer, and of these those right and wrong by now."""
    old, new = before.predictions, after.predictions
    assert list(old["id"]) == list(new["id"])
    first = [np.array([best[0] for best in frame["top5"]]) for frame in (old, new)]
    right = [f == frame["label"] for f, frame in zip(first, (old, new), strict=True)]
    counts = (first[0] != first[1]).sum(), (~right[0] & right[1]).sum(), (right[0] & ~right[1]).sum()
    return [f"{before.top1_errors} -> {after.top1_errors} of {after.n}", *(str(int(count)) for count in counts)]


def main() -> None:
    """Prints the table, a row for each loader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="imagenet:PATH or folder:PATH")
    parser.add_argument("--loader", nargs="+", default=["dali"])
    parser.add_argument("--network", default="none")
    parser.add_argument("--weights")
    parser.add_argument("--limit", type=int)
    args = parser.parse_args()
    catalog, view = load_plugins(), USUAL
    if args.network != "none":
        request = RunRequest((args.network,), ("1crop",), args.data, args.weights)
        view = plan(request, catalog)[0].members[0].views[0]
    _, split = catalog.open_dataset(args.data)
    samples = spread(split.samples, args.limit)
    heads = ["loader", "values that differ", "mean difference", "largest", "images without any"]
    heads += ["top-1 errors", "other first answer", "right now", "wrong now"] if args.network != "none" else []
    print(f"{describe(view)}, compared with torch\n")
    print("| " + " | ".join(heads) + " |")
    print("| --- " + "| ---: " * (len(heads) - 1) + "|")
    reference = catalog.loader("torch")
    with tempfile.TemporaryDirectory() as folder:
        before = answers(args.network, args, "torch", Path(folder)) if args.network != "none" else None
        for name in args.loader:
            opened = open_loader(catalog.loader(name), split, samples, (view,), args.data, print)
            cells = compared(reference, opened, split, samples, view).cells
            if before is not None:
                cells += changed(before, answers(args.network, args, name, Path(folder)))
            print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
