"""``hf:ORG/NAME``: a data set of the Hugging Face hub, or a folder, through the ``datasets`` library."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
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
    decode,
    expected,
    first_line,
    hookimpl,
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

    The ids are the names in the data set, else the row numbers. Raises ``DataError`` without the library, for a data
    set that cannot be had, and for one without such columns.
    """
    from benchsuite.builtin.datasets import _copies, _labels, _synsets

    try:
        import datasets
    except ImportError:
        raise DataError(expected("hf:NAME", "used with the package datasets", "none", DOWNLOAD)) from None
    try:
        found = datasets.load_dataset(path)
    except Exception as error:  # the library raises many types
        raise DataError(expected(f"hf:{path}", "a data set that loads", first_line(error), DOWNLOAD)) from None
    name = next((n for n in SPLITS[split] if n in found), None)
    if name is None:
        raise DataError(expected(f"hf:{path}", f"one with a split {SPLITS[split][0]}", ", ".join(found), DOWNLOAD))
    rows = found[name]
    column = next((n for n, f in rows.features.items() if isinstance(f, datasets.Image) or "bytes" in _fields(f)), None)
    label = next((n for n, f in rows.features.items() if isinstance(f, datasets.ClassLabel)), None)
    label = label or next((n for n in ("label", "labels") if n in rows.features), None)
    if column is None or label is None:
        got = ", ".join(rows.features)
        raise DataError(expected(f"hf:{path}", "one with an image and a class label", got, DOWNLOAD))
    rows = rows.select_columns([column, label])
    if isinstance(rows.features[column], datasets.Image):
        rows = rows.cast_column(column, datasets.Image(decode=False))
    samples, numbers = list[Sample](), dict[str, int]()
    for number, row in enumerate(rows):
        stem = _copies.short(_labels.stem(row[column].get("path") or f"{name}-{number:07d}"))
        content = _content(row[column])
        stamp = f"{len(content)}@{hashlib.sha256(content).hexdigest()[:16]}"
        samples.append(Sample(stem, int(row[label]), f"row {number} of hf:{path}", stamp))
        if numbers.setdefault(stem, number) != number:
            raise DataError(expected("each id", "that of one image only", f"{stem} twice", f"hf:{path}"))
    names = getattr(rows.features[label], "names", None) or [str(i) for i in range(max(s.label for s in samples) + 1)]
    classes = _synsets.names(_synsets.wnids()) if len(names) == len(_synsets.wnids()) else tuple(names)
    odd = next((s for s in samples if not 0 <= s.label < len(classes)), None)
    if odd is not None:
        raise DataError(expected("a label", f"an index from 0 to {len(classes) - 1}", odd.label, odd.where))
    ordered = tuple(sorted(samples, key=lambda s: s.id))
    reader = HubReader(rows, column, numbers)
    return Split(f"hf:{path}", ordered, classes, True, reader)


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
