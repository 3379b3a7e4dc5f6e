"""The images behind a report, where its data sets can be opened: names of classes, and thumbnails of what changed."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import BadParameter, BenchsuiteError, expected
from benchsuite.report.content import Changed, Entry, Pair
from benchsuite.report.markup import size_words
from benchsuite.runs.plan import DEFAULT_DATA
from benchsuite.specs.catalog import Catalog, open_dataset
from benchsuite.specs.dataset import Split, spread
from benchsuite.storage import keys

SHOWN = 12
"""Images that a pair shows of those fixed, and of those broken."""

SIDE = 128
"""Pixels of the longer side of a thumbnail."""

MOST_BYTES = 8 * 2**20
"""All thumbnails of a page together."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as a data URI; ``tiny`` ones are to be enlarged pixel by pixel."""

    uri: str
    width: int
    height: int
    tiny: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that changed, and what it shows."""

    image: Changed
    thumbnail: Thumbnail


def opened(
    groups: Sequence[Sequence[Entry]], told: Sequence[str], catalog: Catalog, *, every: bool = True
) -> tuple[dict[str, Split], list[str]]:
    """The data sets of groups of runs by their digests, and in words which cannot be opened.

    ``told`` are the words of ``--data``; with ``every``, those that the runs were asked with are tried after them. A
    data set counts only if its ids, labels and files are those of the runs. Raises ``BadParameter`` for words that are
    of no run's images.
    """
    found: dict[str, Split] = {}
    notes: list[str] = []
    for text in told:
        split = open_dataset(text, catalog)[1]
        mine = {group[0].data: split for group in groups if _same(split, group[0])}
        if not mine:
            names = " or ".join(dict.fromkeys(group[0].images for group in groups))
            raise BadParameter(expected("--data", f"the images of the runs: {names}", f"others in {text}"))
        found |= mine
    for group in groups:
        entry = group[0]
        if entry.data in found or not every:
            continue
        text = next(filter(None, (e.manifest["asked"].get("data") for e in group)), DEFAULT_DATA)
        try:
            split = open_dataset(text, catalog)[1]
        except BenchsuiteError as error:
            notes.append(f"no pictures and class names of {entry.images}: {error}")
            continue
        if _same(split, entry):
            found[entry.data] = split
        else:
            notes.append(f"no pictures and class names of {entry.images}: {text} now holds other images")
    return found, notes


def _same(split: Split, entry: Entry) -> bool:
    """Whether a data set holds the very images of a run."""
    samples = spread(split.samples, entry.row["limit"])
    lines = (f"{s.id} {s.label} {s.stamp.partition('@')[0]}" for s in samples)
    return len(samples) == entry.row["n"] and keys.digest_lines(lines) == entry.data


def pictures(
    pairs: Sequence[Pair], splits: Mapping[str, Split], most: int = MOST_BYTES
) -> tuple[dict[str, list[Picture]], list[str]]:
    """The images to show of each pair, by its name: those fixed, then those broken, that changed most.

    Stops before all thumbnails together are ``most`` bytes, and says so. Raises ``DataError`` for an image that cannot
    be read.
    """
    made: dict[tuple[str, str], Thumbnail] = {}
    found: dict[str, list[Picture]] = {}
    spent = 0
    samples = {data: {sample.id: sample for sample in split.samples} for data, split in splits.items()}
    for pair in (p for p in pairs if p.before.data in splits):
        data = pair.before.data
        for image in _chosen(pair):
            key = data, image.id
            if key not in made:
                made[key] = thumbnail(splits[data].read(samples[data][image.id]))
            spent += len(made[key].uri)
            if spent > most:
                return found, [f"pictures end at {size_words(most)}, with {len(found)} of {len(pairs)} comparisons"]
            found.setdefault(pair.name, []).append(Picture(image, made[key]))
    return found, []


def _chosen(pair: Pair) -> Iterator[Changed]:
    for fixed in (True, False):
        yield from [image for image in pair.changed if image.fixed is fixed][:SHOWN]


def thumbnail(image: Any) -> Thumbnail:
    """A decoded image, uint8 (h, w, 3) or of Pillow, as a small JPEG."""
    from PIL import Image

    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture = picture.convert("RGB")
    tiny = max(picture.size) <= SIDE // 2
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if tiny:
        picture.save(buffer, "JPEG", quality=92, subsampling=0)
    else:
        picture.save(buffer, "JPEG", quality=80, optimize=True)
    uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    width, height = picture.size
    return Thumbnail(uri, width, height, tiny)
