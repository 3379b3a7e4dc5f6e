"""Looking at samples one by one, without stopping at a broken one: what each file holds, and what lies beside it."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from benchsuite.decode import FORMATS, SUFFIXES, check_headers, quiet
from benchsuite.errors import DataError
from benchsuite.specs import Sample, Split

T = TypeVar("T")
ORIENTATION = 0x0112
"""The EXIF tag that says how a picture was held; 1 is upright."""
NAMED = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".pgm": "PPM"}
"""The format that a suffix stands for where it is not the suffix itself."""
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


@dataclass(slots=True)
class Survey:
    """What lies in a folder that cannot be opened as a data set: ``folders`` are those at the top, by name."""

    folders: dict[str, int] = field(default_factory=dict)
    images: int = 0
    others: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


def examine(split: Split, sample: Sample, *, decode: bool) -> Examined:
    """One sample: its header, and its pixels if asked, if it is no file, or if the file does not end as it should."""
    path, head, whole = Path(sample.where), Examined(), False
    if path.is_file():
        try:
            head, whole = _header(path)
        except Exception:  # whatever is wrong, reading it says so in the words of an evaluation
            whole = False
    if whole and not decode:
        return head
    import numpy as np

    try:
        pixels = np.asarray(split.read(sample))
    except DataError as error:
        return Examined(error=str(error))
    except Exception as error:  # a data set that breaks its contract
        return Examined(error=f"{type(error).__name__}: {error} ({sample.where})")
    state = hashlib.sha256(repr(pixels.shape).encode())
    state.update(np.ascontiguousarray(pixels).data)
    height, width = pixels.shape[:2]
    return Examined("", width, height, head.format, head.mode, head.turned, head.misnamed, state.hexdigest())


def every(items: Sequence[T], work: Callable[[T], Any], advance: Callable[[int], None]) -> list[Any]:
    """``work`` of every item, in order, by as many threads as there are cores. ``advance(k)`` hears of k more."""
    blocks = [items[i : i + _BLOCK] for i in range(0, len(items), _BLOCK)]
    found: list[Any] = []
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="benchsuite-examine")
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
    digests = every(unsure, lambda s: file_digest(s.where) if Path(s.where).is_file() else s.stamp, advance)
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
    folders = {path.parent for path in map(Path, known) if path.is_file()}
    return Counter(
        _kind(entry.name)
        for folder in folders
        for entry in os.scandir(folder)
        if entry.is_file() and entry.path not in known
    )


def survey(root: Path) -> Survey:
    """Counts what is in a folder, all the way down, and reads the first bytes of each file named as an image."""
    found = Survey()
    for folder, inside, files in os.walk(root):
        inside[:] = sorted(name for name in inside if not name.startswith("."))
        top = next(iter(Path(folder).relative_to(root).parts), "")
        if not top:
            found.folders = dict.fromkeys(inside, 0)
        images = [n for n in sorted(files) if n.lower().endswith(SUFFIXES) and not n.startswith(".")]
        found.others.update(_kind(name) for name in files if name not in images)
        found.images += len(images)
        if top in found.folders:
            found.folders[top] += len(images)
        found.broken += _without_header(Path(folder, name) for name in images)
    return found


def _header(path: Path) -> tuple[Examined, bool]:
    """What the head of a file says, and whether the file ends as one that was written to its end. Decodes nothing."""
    from PIL import Image

    quiet()
    with Image.open(path, formats=FORMATS) as image:
        kind, mode = str(image.format), str(image.mode)
        turned = image.getexif().get(ORIENTATION, 1) not in (1, 0, None)
        suffix = path.suffix.lower()
        usual = NAMED.get(suffix, suffix.removeprefix(".").upper())
        head = Examined("", image.width, image.height, kind, mode, turned, misnamed=kind not in (usual, "MPO"))
        limit = Image.MAX_IMAGE_PIXELS
        whole = kind in ("JPEG", "PNG") and (limit is None or image.width * image.height <= limit)
    with path.open("rb") as file:
        file.seek(-min(8, path.stat().st_size), os.SEEK_END)
        tail = file.read()
    return head, whole and tail.endswith((b"\xff\xd9", b"IEND\xaeB`\x82"))


def _without_header(paths: Iterator[Path]) -> list[str]:
    found = []
    for path in paths:
        try:
            check_headers([path])
        except DataError as error:
            found.append(str(error))
    return found


def _kind(name: str) -> str:
    return "hidden" if name.startswith(".") else Path(name).suffix.lower() or "no suffix"
