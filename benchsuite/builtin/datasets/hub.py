"""``hf:ORG/NAME``: a data set of the Hugging Face hub, or a folder, through the ``datasets`` library."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite import (
    AS_PILLOW,
    Conversion,
    DataError,
    Dataset,
    Sample,
    Split,
    SplitName,
    archive_state,
    check_head,
    decode,
    expected,
    first_line,
    hookimpl,
    members,
)

DOWNLOAD = "pip install 'benchsuite[hub]'; for a gated data set such as ILSVRC/imagenet-1k, log in with `hf auth login`"
SPLITS = {"test": ("validation", "val", "test"), "train": ("train",)}


@dataclass(frozen=True, slots=True, eq=False)
class HubReader:
    """Reads a sample by its row; the table lies in a memory-mapped file of the library's cache."""

    rows: Any
    column: str
    numbers: dict[str, int]

    def __call__(self, sample: Sample, conversion: Conversion = AS_PILLOW) -> Any:
        """The image of a sample, as a Pillow image in mode RGB."""
        content = _content(self.rows[self.numbers[sample.id]][self.column])
        return decode(sample.where, content, conversion=conversion)


def open_hub(path: str | None, split: SplitName) -> Split:
    """The split ``validation`` (else ``val``, ``test``) or ``train`` of a data set with one image and one class label.

    The library loads it whole; with ``,stream`` after the name its Parquet files are read where they lie, as those of
    ``imagenet:PATH`` are. The ids are the names in the data set, else the row numbers. Raises ``DataError`` without
    the library, for a data set that cannot be had, and for one without such columns.
    """
    from benchsuite.builtin.datasets import _files, _synsets

    name, comma, option = (path or "").partition(",")
    if comma and option != "stream":
        raise DataError(expected("hf:NAME", "followed by ,stream or nothing", f",{option}", f"hf:{path}"))
    samples, labels, read = (_streamed if comma else _loaded)(name, split)
    names = labels or [str(i) for i in range(max((s.label for s in samples), default=0) + 1)]
    classes = _synsets.names(_synsets.wnids()) if len(names) == len(_synsets.wnids()) else tuple(names)
    return Split(f"hf:{name}", _files.in_order(samples), classes, True, read)


Opened = tuple[list[Sample], Sequence[str] | None, Callable[..., Any]]
"""Samples, the names of the classes if the data set has them, and what reads a sample."""


def _loaded(name: str, split: SplitName) -> Opened:
    """A data set that the library has loaded into its cache."""
    from benchsuite.builtin.datasets import _copies, _labels

    found = _asked(name, "load_dataset")
    part = _part(name, found, split)
    rows, column, label = _with_two_columns(name, found[part])
    samples, numbers = list[Sample](), dict[str, int]()
    for number, row in enumerate(rows):
        stem = _copies.short(_labels.stem(row[column].get("path") or _of_row(part, number)))
        content = _content(row[column])
        stamp = f"{len(content)}@{hashlib.sha256(content).hexdigest()[:16]}"
        samples.append(Sample(stem, int(row[label]), f"row {number} of hf:{name}", stamp))
        numbers[stem] = number
    return samples, getattr(rows.features[label], "names", None), HubReader(rows, column, numbers)


def _streamed(name: str, split: SplitName) -> Opened:
    """A data set whose Parquet files are read where they lie: on the hub, in a store, or on the disk."""
    from benchsuite.builtin.datasets import _copies, _files

    found = _asked(name, "load_dataset_builder").config.data_files or {}
    part = _part(name, found, split)
    samples = list[Sample]()
    for file in map(str, found[part]):
        if not file.lower().endswith(".parquet"):
            raise DataError(expected(f"hf:{name},stream", "one of Parquet files (else leave out ,stream)", file))
        states = {file: archive_state(file)}
        for m in _copies.numbered(members(file, lambda _: True), len(samples)):
            if m.label is None:
                raise DataError(expected("a row", "with a number in a column label", "none", m.where))
            check_head(m.where, m.head)
            plain = m.name == f"{len(samples):08d}"
            named = dataclasses.replace(m, name=_of_row(part, len(samples))) if plain else m
            samples.append(_copies.sample(named, m.label, states))
    kinds = (_asked(name, "load_dataset", streaming=True)[part].features or {}).values()
    return samples, next((kind.names for kind in kinds if hasattr(kind, "names")), None), _files.read_file


def _asked(name: str, function: str, **options: bool) -> Any:
    """What a function of the library returns for a data set."""
    try:
        import datasets
    except ImportError:
        raise DataError(expected("hf:NAME", "used with the package datasets", "none", DOWNLOAD)) from None
    try:
        return getattr(datasets, function)(name, **options)
    except Exception as error:  # the library raises many types
        raise DataError(expected(f"hf:{name}", "a data set that loads", first_line(error), DOWNLOAD)) from None


def _part(name: str, found: Iterable[str], split: SplitName) -> str:
    """The name of a split in the data set."""
    names = [str(n) for n in found]
    part = next((n for n in SPLITS[split] if n in names), None)
    if part is None:
        raise DataError(expected(f"hf:{name}", f"one with a split {SPLITS[split][0]}", ", ".join(names), DOWNLOAD))
    return part


def _of_row(part: str, number: int) -> str:
    """The name of an image without one."""
    return f"{part}-{number:07d}"


def _with_two_columns(name: str, rows: Any) -> tuple[Any, str, str]:
    """The rows with only the image, not decoded, and the label, and the names of both columns."""
    import datasets

    kinds = rows.features
    column = next((n for n, f in kinds.items() if isinstance(f, datasets.Image) or "bytes" in _fields(f)), None)
    label = next((n for n, f in kinds.items() if isinstance(f, datasets.ClassLabel)), None)
    label = label or next((n for n in ("label", "labels") if n in kinds), None)
    if column is None or label is None:
        raise DataError(expected(f"hf:{name}", "one with an image and a class label", ", ".join(kinds), DOWNLOAD))
    rows = rows.select_columns([column, label])
    if isinstance(kinds[column], datasets.Image):
        rows = rows.cast_column(column, datasets.Image(decode=False))
    return rows, column, label


def _fields(feature: Any) -> Any:
    """The fields of a struct: a Parquet file that the library did not write has one for an image."""
    return feature if isinstance(feature, dict) else ()


def _content(image: Any) -> bytes:
    """The bytes of an image that is not decoded: in the row, or in the file that it names."""
    if image["bytes"] is not None:
        return bytes(image["bytes"])
    with open(image["path"], "rb") as file:
        return file.read()


HUB = Dataset(
    "hf",
    open=open_hub,
    mirror=True,
    note="a data set of the Hugging Face hub with images and class labels, or a local folder of one",
    source="https://huggingface.co/docs/datasets",
    download=DOWNLOAD,
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """Data sets of the hub."""
    return [HUB]
