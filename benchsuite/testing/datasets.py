"""The check of a dataset."""

from __future__ import annotations

import itertools

from benchsuite.errors import BenchsuiteError
from benchsuite.specs import dataset
from benchsuite.specs.dataset import Dataset, faults, spread
from benchsuite.testing.checker import Checker

COUNTS = ("n", "top1_errors", "top5_errors")
"""The keys of a group's counts in ``run --json``, next to the names of the groups."""


def check_dataset(d: Dataset, path: str | None = None, *, split: dataset.SplitName = "test", limit: int = 16) -> None:
    """Checks name and texts; with a ``path``, or where none is needed, also ids, labels and ``limit`` images."""
    import numpy as np

    it = Checker(f"dataset {d.name}")
    it.declares(d.name, note=d.note, source=d.source)
    it.needs(not faults(d.census), "the census", "one that a split can have", "; ".join(faults(d.census)))
    if d.preprocess is not None:
        it.preprocesses(d.preprocess, None)
    if d.path == "required":
        it.declares(d.name, download=d.download)
        it.refuses("no path", BenchsuiteError, lambda: d.open(None, "test"))
    if d.path != "none":
        it.refuses("a missing folder", BenchsuiteError, lambda: d.open("/no/such/folder", "test"))
    if path is None and d.path != "none":
        return
    with it.runs("open"):
        opened = d.open(path, split)
    it.needs(isinstance(opened, dataset.Split), "what open returns", "a Split", type(opened).__name__)
    _check_split(opened, it)
    it.needs(opened.mirror == d.mirror, "mirror of the split", f"{d.mirror}, as declared", opened.mirror)
    for sample in spread(opened.samples, limit):
        one = Checker(f"{it.where}, sample {sample.id}")
        with one.runs("read"):
            first, again = np.asarray(opened.read(sample)), np.asarray(opened.read(sample))
        one.is_image(first)
        one.needs(np.array_equal(first, again), "an image", "the same each time it is read", "another")


def _check_split(split: dataset.Split, it: Checker) -> None:
    ids = [s.id for s in split.samples]
    it.needs(bool(ids) and len(split.classes) > 1, "samples and classes", "1 and 2 or more", [len(ids), split.classes])
    for before, after in itertools.pairwise(ids):
        it.needs(before < after, "ids", "distinct and sorted", f"{before!r} before {after!r}")
    known = range(len(split.classes))
    it.needs(list(split.among) == sorted({*split.among} & {*known}), "among", "rising class indices", split.among)
    alike = [label for labels in split.alike for label in labels]
    own = all(len(labels) > 1 and split.among.count(labels[0]) == 1 for labels in split.alike)
    own = own and len({*alike}) == len(alike) == len({*alike} & {*known})
    own = own and not {*split.among} & {label for labels in split.alike for label in labels[1:]}
    it.needs(own, "alike", "sets of class indices whose first is in among, and no other one", split.alike)
    named = len({*split.groups, *COUNTS}) == len(split.groups) + len(COUNTS)
    named = named and all(name.isidentifier() for name in split.groups)
    it.needs(named, "groups", f"distinct names, each one word and none of {', '.join(COUNTS)}", split.groups)
    it.needs(len({s.real is None for s in split.samples}) == 1, "real", "given for all samples or for none", "some")
    for s in split.samples:
        legal = isinstance(s.label, int) and s.label in known
        it.needs(legal, f"the label of {s.id}", f"a whole number in 0..{known[-1]}", s.label)
        it.needs(s.label in (split.among or known), f"the label of {s.id}", "one of among", s.label)
        named = len(s.groups) == len(split.groups) and all(isinstance(value, str) and value for value in s.groups)
        it.needs(named, f"groups of {s.id}", f"a text for each of {split.groups}", s.groups)
        it.needs(all(c in known for c in s.real or ()), f"real of {s.id}", f"in 0..{known[-1]}", s.real)
