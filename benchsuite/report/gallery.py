"""Opens the data sets of a report, for its class names and for thumbnails of the images that changed."""

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
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import Split, spread
from benchsuite.storage import keys
from benchsuite.storage.data_places import located

SHOWN = 12
"""At most this many fixed and this many broken images are shown of each pair."""

SIDE = 128
"""Longest side of a thumbnail in pixels; smaller images are not enlarged."""

MOST_BYTES = 8 * 2**20
"""Upper bound in bytes on all thumbnails of a page together."""


@dataclass(frozen=True, slots=True)
class Thumbnail:
    """A picture as a data URI. ``tiny`` ones are enlarged by the page without interpolation."""

    uri: str
    width: int
    height: int
    tiny: bool


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that changed, and its thumbnail."""

    image: Changed
    thumbnail: Thumbnail


def opened(
    groups: Sequence[Sequence[Entry]], options: Sequence[str], catalog: Catalog, *, every: bool = True
) -> tuple[dict[str, Split], list[str]]:
    """Opens the data sets of groups of runs. Returns them by digest, and a note for each one that cannot be used.

    ``options`` are the values of ``--data``. With ``every``, the data sets that these do not cover are opened from the
    paths in the runs' manifests. A data set is used only if the ids, labels and contents of its samples are those of
    the runs. Raises ``BadParameter`` for an option whose images are those of no run.
    """
    splits: dict[str, Split] = {}
    notes: list[str] = []
    for text in options:
        split = catalog.open_dataset(located(text, catalog))[1]
        matching = {group[0].data: split for group in groups if _same(split, group[0])}
        if not matching:
            names = " or ".join(dict.fromkeys(group[0].images for group in groups))
            raise BadParameter(expected("--data", f"the images of the runs: {names}", f"others in {text}"))
        splits |= matching
    for group in groups:
        entry = group[0]
        if entry.data in splits or not every:
            continue
        text = next(filter(None, (e.manifest["asked"].get("data") for e in group)), DEFAULT_DATA)
        try:
            split = catalog.open_dataset(located(text, catalog))[1]
        except BenchsuiteError as error:
            notes.append(f"no pictures and class names of {entry.images}: {error}")
            continue
        if _same(split, entry):
            splits[entry.data] = split
        else:
            notes.append(f"no pictures and class names of {entry.images}: {text} now holds other images")
    return splits, notes


def _same(split: Split, entry: Entry) -> bool:
    """Whether a data set holds exactly the images of a run."""
    samples = spread(split.samples, entry.row["limit"])
    lines = (f"{s.id} {s.label} {s.stamp.partition('@')[0]}" for s in samples)
    return len(samples) == entry.row["n"] and keys.digest_lines(lines) == entry.data


def pictures(
    pairs: Sequence[Pair], splits: Mapping[str, Split], most: int = MOST_BYTES
) -> tuple[dict[str, list[Picture]], list[str]]:
    """The pictures of each pair by its name: the fixed images that changed most, then the broken ones.

    Stops before all thumbnails together exceed ``most`` bytes, and returns a note that says so. Raises ``DataError``
    for an image that cannot be read.
    """
    thumbnails: dict[tuple[str, str], Thumbnail] = {}
    shown: dict[str, list[Picture]] = {}
    spent = 0
    samples = {data: {sample.id: sample for sample in split.samples} for data, split in splits.items()}
    for pair in (p for p in pairs if p.before.data in splits):
        data = pair.before.data
        for image in _chosen(pair):
            key = data, image.id
            if key not in thumbnails:
                thumbnails[key] = thumbnail(splits[data].read(samples[data][image.id]))
            spent += len(thumbnails[key].uri)
            if spent > most:
                return shown, [f"pictures stop at {size_words(most)}, in {len(shown)} of {len(pairs)} comparisons"]
            shown.setdefault(pair.name, []).append(Picture(image, thumbnails[key]))
    return shown, []


def _chosen(pair: Pair) -> Iterator[Changed]:
    for fixed in (True, False):
        yield from [image for image in pair.changed if image.fixed is fixed][:SHOWN]


def thumbnail(image: Any) -> Thumbnail:
    """A small JPEG of a decoded image, which is a uint8 array (h, w, 3) or a Pillow image."""
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
