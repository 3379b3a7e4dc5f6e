"""Examines samples one by one, without stopping at a broken one: what each file holds, and what is next to it."""

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

from benchsuite.data.archives import passed_over
from benchsuite.data.convert import deep, destroyed, transparent
from benchsuite.data.decode import FORMATS, quiet
from benchsuite.data.places import open_file, sample_stream
from benchsuite.data.prefetch import cores
from benchsuite.data.system_files import system_kind
from benchsuite.doctor.jpeg_warnings import jpeg_warning
from benchsuite.errors import DataError
from benchsuite.specs.dataset import Sample, Split

T = TypeVar("T")

ORIENTATION = 0x0112
"""The EXIF tag of a picture's orientation; 1 is upright."""
NAMED = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".pgm": "PPM"}
"""The format of each suffix that is not itself the name of the format."""
JPEGS = ("JPEG", "MPO")
"""Formats of files that are, or begin with, a JPEG."""
READERS = 16
"""Threads that read from a disk: on a cold or remote one each read takes milliseconds."""
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Examined:
    """What was found about one sample.

    ``error`` is why it cannot be read, empty if it can; ``format`` and ``mode`` are the file's (empty: a row of an
    array). ``turned``: EXIF rotates or mirrors the picture. ``misnamed``: the suffix is that of another format.
    ``deep``: its colours have 16 bits. ``clear``: it has an alpha band or a transparent colour.
    ``pixels`` is the digest of the decoded picture, empty if it was not decoded. ``warning`` is that of the JPEG
    decoder, empty if there was none or if it was not asked for.
    """

    error: str = ""
    width: int = 0
    height: int = 0
    format: str = ""
    mode: str = ""
    turned: bool = False
    misnamed: bool = False
    deep: bool = False
    clear: bool = False
    pixels: str = ""
    warning: str = ""


def header(sample: Sample) -> Examined | None:
    """What the header of a sample's file says. None if it must be decoded: not a file, broken header, end unknown."""
    try:
        found = _header(sample)
    except Exception:  # decoding it raises the error that a run would raise
        return None
    return found[0] if found and found[1] else None


def examine(split: Split, sample: Sample, *, warnings: bool = False) -> Examined:
    """Decodes one sample fully; an error becomes ``Examined.error``. With ``warnings``, also asks the JPEG decoder."""
    import numpy as np

    head = Examined()
    with suppress(Exception):  # decoding it raises the error that a run would raise
        head, _ = _header(sample) or (head, False)
    try:
        pixels = np.asarray(split.read(sample))
    except DataError as error:
        return Examined(error=str(error))
    except Exception as error:  # a data set plugin that breaks its contract
        return Examined(error=f"{type(error).__name__}: {error} ({sample.where})")
    state = hashlib.sha256(repr(pixels.shape).encode())
    state.update(np.ascontiguousarray(pixels).data)
    height, width = pixels.shape[:2]
    warning = jpeg_warning(sample) if warnings and head.format in JPEGS else ""
    return dataclasses.replace(head, width=width, height=height, pixels=state.hexdigest(), warning=warning)


def examine_all(
    split: Split,
    chosen: Collection[str],
    start: Callable[[str, int], None],
    advance: Callable[[int], None],
    *,
    warnings: bool = False,
) -> list[Examined]:
    """Examines every sample of a split; decodes those ``chosen`` by id and those whose header does not suffice.

    Headers are read in many threads, because each waits for the disk; images are decoded in one thread per core,
    because each needs memory. If all are chosen, there is no separate pass over the headers. With ``warnings``, those
    of the JPEG decoder are asked for.
    """
    samples = split.samples
    results: list[Examined | None] = [None] * len(samples)
    if len(chosen) < len(samples):
        start(f"reading the headers of {len(samples):,} images", len(samples))
        results = every(samples, header, advance, READERS)
    rest = [i for i, s in enumerate(samples) if results[i] is None or s.id in chosen]
    start(f"decoding {len(rest):,} images", len(rest))
    decoded = every([samples[i] for i in rest], lambda s: examine(split, s, warnings=warnings), advance, cores())
    for i, result in zip(rest, decoded, strict=True):
        results[i] = result
    return [result for result in results if result is not None]


def every(items: Sequence[T], work: Callable[[T], Any], advance: Callable[[int], None], threads: int) -> list[Any]:
    """``work(item)`` of every item, in order, by this many threads. Calls ``advance(k)`` after every k more items."""
    blocks = [items[i : i + _BLOCK] for i in range(0, len(items), _BLOCK)]
    results: list[Any] = []
    pool = ThreadPoolExecutor(threads, thread_name_prefix="benchsuite-examine")
    try:
        for part in pool.map(lambda block: [work(item) for item in block], blocks):
            results += part
            advance(len(part))
    finally:
        pool.shutdown(cancel_futures=True)
    return results


def bytes_digest(sample: Sample) -> str:
    """SHA-256 of the bytes of a sample's file; of a row, its stamp; empty for a file that cannot be read."""
    try:
        stream = sample_stream(sample)
        if stream is None:
            return sample.stamp
        with stream:
            return hashlib.sha256(stream.read()).hexdigest()
    except (OSError, DataError):
        return ""


def md5(file: str, advance: Callable[[int], None]) -> str:
    """The MD5 of a file or URL, in hexadecimal digits; ``advance(k)`` after every k bytes."""
    digest = hashlib.md5(usedforsecurity=False)
    with open_file(file) as stream:
        while block := stream.read(2**22):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()


def same_bytes(samples: Sequence[Sample], advance: Callable[[int], None]) -> list[tuple[Sample, ...]]:
    """Groups of samples with the same bytes. Reads only files of equal size; the stamp of a row holds its digest."""
    sizes: dict[str, list[Sample]] = {}
    for sample in samples:
        stamp = sample.content
        if stamp:
            sizes.setdefault(stamp, []).append(sample)
    advance(len(samples) - sum(len(group) for group in sizes.values() if len(group) > 1))
    unsure = [sample for group in sizes.values() if len(group) > 1 for sample in group]
    digests = every(unsure, bytes_digest, advance, READERS)
    return groups(unsure, [digest.partition("@")[0] for digest in digests])


def groups(samples: Sequence[Sample], keys: Sequence[str]) -> list[tuple[Sample, ...]]:
    """Groups of samples with the same key, in the order of their first sample; empty keys form no group."""
    by_key: dict[str, list[Sample]] = {}
    for sample, key in zip(samples, keys, strict=True):
        if key:
            by_key.setdefault(key, []).append(sample)
    return [tuple(group) for group in by_key.values() if len(group) > 1]


def other_files(samples: Sequence[Sample]) -> Counter[str]:
    """Counts the other files in the folders of the images, by suffix, as ``hidden`` or by the name of a system's file.

    Also counts the hidden folders and those of systems there and beside class folders, and such members of archives.
    """
    known = {sample.where for sample in samples if sample.place is None}
    folders = {where.rpartition(os.sep)[0]: where for where in known}
    folders = {folder: image for folder, image in folders.items() if Path(image).is_file()}
    found = Counter(
        file_kind(entry.name)
        for folder in folders
        for entry in os.scandir(folder or os.curdir)
        if entry.path not in known and (entry.is_file() or system_kind(entry.name))
    )
    tops = Counter(folder.rpartition(os.sep)[0] for folder in folders)
    for top in (top for top, classes in tops.items() if classes > 1 and top not in folders):
        found.update(kind for entry in os.scandir(top) if entry.is_dir() and (kind := system_kind(entry.name)))
    for file in sorted({sample.place.file for sample in samples if sample.place is not None}):
        found += passed_over(file)
    return found


def _header(sample: Sample) -> tuple[Examined, bool] | None:
    """What the header of a sample's file says, and whether it is known to be sound: a JPEG or PNG within Pillow's
    pixel limit that ends in its end marker, of at most 8 bits. None for a row of an array. Decodes nothing.
    """
    from PIL import Image

    stream = sample_stream(sample)
    if stream is None:
        return None
    quiet()
    with stream as file:
        with Image.open(file, formats=FORMATS) as image:
            kind, mode = str(image.format), str(image.mode)
            bits, alpha = deep(image), transparent(image)  # before EXIF is read, which loads a PNG
            turned = image.getexif().get(ORIENTATION, 1) not in (1, 0, None)
            suffix = Path(sample.where).suffix.lower()
            usual = NAMED.get(suffix, suffix.removeprefix(".").upper())
            odd = kind not in (usual, "MPO")
            head = Examined("", image.width, image.height, kind, mode, turned, odd, bits, alpha)
        file.seek(max(0, file.seek(0, os.SEEK_END) - 8))
        tail = file.read()
    limit = Image.MAX_IMAGE_PIXELS
    whole = kind in ("JPEG", "PNG") and (limit is None or head.width * head.height <= limit)
    return head, whole and not destroyed(mode) and tail.endswith((b"\xff\xd9", b"IEND\xaeB`\x82"))


def file_kind(name: str) -> str:
    """How a file that is no sample is counted: by ``system_kind``, its suffix in lower case, or as without one."""
    return system_kind(name) or Path(name).suffix.lower() or "no suffix"
