"""Looks at samples one by one, without stopping at a broken one: what each file holds, and what lies beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from benchsuite.data.decode import FORMATS, quiet
from benchsuite.data.prefetch import cores
from benchsuite.errors import DataError
from benchsuite.specs.dataset import Sample, Split

T = TypeVar("T")


ORIENTATION = 0x0112
"""The EXIF tag that says how a picture was held; 1 is upright."""
NAMED = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".pgm": "PPM"}
"""The format that a suffix stands for where it is not the suffix itself."""
READERS = 16
"""Threads that wait for a disk: on a cold or remote one each answer takes milliseconds."""
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Examined:
    """What one sample is. ``error`` says why it cannot be read; ``format`` and ``mode`` are the file's (empty: a row).

    ``pixels`` is the digest of the decoded picture, empty where it was not decoded; ``turned`` is a picture whose EXIF
    says that it lies on its side or is mirrored, ``misnamed`` a file whose suffix is another format's.
    """

    error: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    turned: bool = False
    misnamed: bool = False
    pixels: str = ""


def header(sample: Sample) -> Examined | None:
    """What the head of a sample's file says. None where pixels have to tell: no file, a broken head, an odd end."""
    path = Path(sample.where)
    if not path.is_file():
        return None
    try:
        head, whole = _header(path)
    except Exception:  # whatever is wrong, reading it says so in the words of an evaluation
        return None
    return head if whole else None


def examine(split: Split, sample: Sample) -> Examined:
    """One sample, decoded whole."""
    import numpy as np

    head, path = Examined(), Path(sample.where)
    if path.is_file():
        with suppress(Exception):  # as above
            head, _ = _header(path)
    try:
        pixels = np.asarray(split.read(sample))
    except DataError as error:
        return Examined(error=str(error))
    except Exception as error:  # a data set that breaks its contract
        return Examined(error=f"{type(error).__name__}: {error} ({sample.where})")
    state = hashlib.sha256(repr(pixels.shape).encode())
    state.update(np.ascontiguousarray(pixels).data)
    height, width = pixels.shape[:2]
    return dataclasses.replace(head, width=width, height=height, pixels=state.hexdigest())


def look(
    split: Split, chosen: Collection[str], start: Callable[[str, int], None], advance: Callable[[int], None]
) -> list[Examined]:
    """Every sample of a split: those ``chosen`` by id and those whose head does not suffice are decoded.

    Heads are read by many threads, as each waits for the disk; pixels by as many as there are cores, as each needs
    memory. Where all are chosen, no file is opened twice.
    """
    samples = split.samples
    found: list[Examined | None] = [None] * len(samples)
    if len(chosen) < len(samples):
        start(f"reading the headers of {len(samples):,} images", len(samples))
        found = every(samples, header, advance, READERS)
    rest = [i for i, s in enumerate(samples) if found[i] is None or s.id in chosen]
    start(f"decoding {len(rest):,} images", len(rest))
    decoded = every([samples[i] for i in rest], lambda s: examine(split, s), advance, cores())
    for i, seen in zip(rest, decoded, strict=True):
        found[i] = seen
    return [seen for seen in found if seen is not None]


def every(items: Sequence[T], work: Callable[[T], Any], advance: Callable[[int], None], threads: int) -> list[Any]:
    """``work`` of every item, in order, by this many threads. ``advance(k)`` hears of k more."""
    blocks = [items[i : i + _BLOCK] for i in range(0, len(items), _BLOCK)]
    found: list[Any] = []
    pool = ThreadPoolExecutor(threads, thread_name_prefix="benchsuite-examine")
    try:
        for part in pool.map(lambda block: [work(item) for item in block], blocks):
            found += part
            advance(len(part))
    finally:
        pool.shutdown(cancel_futures=True)
    return found


def file_digest(path: str) -> str:
    """SHA-256 of a file's bytes; empty for one that cannot be read."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return ""


def same_bytes(samples: Sequence[Sample], advance: Callable[[int], None]) -> list[tuple[Sample, ...]]:
    """Groups of samples of the same bytes. Only files of equal size are read; a row's stamp is its digest."""
    sizes: dict[str, list[Sample]] = {}
    for sample in samples:
        stamp = sample.content
        if stamp:
            sizes.setdefault(stamp, []).append(sample)
    advance(len(samples) - sum(len(group) for group in sizes.values() if len(group) > 1))
    unsure = [sample for group in sizes.values() if len(group) > 1 for sample in group]
    digests = every(unsure, lambda s: file_digest(s.where) if Path(s.where).is_file() else s.stamp, advance, READERS)
    return groups(unsure, [digest.partition("@")[0] for digest in digests])


def groups(samples: Sequence[Sample], keys: Sequence[str]) -> list[tuple[Sample, ...]]:
    """The samples that share a key with others, in the order of their first; an empty key is shared by none."""
    found: dict[str, list[Sample]] = {}
    for sample, key in zip(samples, keys, strict=True):
        if key:
            found.setdefault(key, []).append(sample)
    return [tuple(group) for group in found.values() if len(group) > 1]


def beside(samples: Sequence[Sample]) -> Counter[str]:
    """What lies in the folders of the images and is none of them: how many files, by suffix or as hidden ones."""
    known = {sample.where for sample in samples}
    folders = {where.rpartition(os.sep)[0]: where for where in known}
    return Counter(
        _kind(entry.name)
        for folder, image in folders.items()
        if Path(image).is_file()
        for entry in os.scandir(folder or os.curdir)
        if entry.is_file() and entry.path not in known
    )


def _header(path: Path) -> tuple[Examined, bool]:
    """What the head of a file says, and whether the file ends as one that was written to its end. Decodes nothing."""
    from PIL import Image

    quiet()
    with path.open("rb") as file:
        with Image.open(file, formats=FORMATS) as image:
            kind, mode = str(image.format), str(image.mode)
            turned = image.getexif().get(ORIENTATION, 1) not in (1, 0, None)
            suffix = path.suffix.lower()
            usual = NAMED.get(suffix, suffix.removeprefix(".").upper())
            head = Examined("", image.width, image.height, kind, mode, turned, misnamed=kind not in (usual, "MPO"))
        file.seek(max(0, os.fstat(file.fileno()).st_size - 8))
        tail = file.read()
    limit = Image.MAX_IMAGE_PIXELS
    whole = kind in ("JPEG", "PNG") and (limit is None or head.width * head.height <= limit)
    return head, whole and tail.endswith((b"\xff\xd9", b"IEND\xaeB`\x82"))


def _kind(name: str) -> str:
    return "hidden" if name.startswith(".") else Path(name).suffix.lower() or "no suffix"
