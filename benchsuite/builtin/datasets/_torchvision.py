"""Downloads of data sets that may be had freely: addresses and checksums are those of torchvision's classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from benchsuite import DataError, StorageError, expected, first_line

BLOCK = 2**18
"""Bytes that are read at once."""
TIMEOUT = 60.0
"""Seconds without a byte after which a server is given up."""


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to download: its name, its addresses in the order of trial, and its MD5."""

    name: str
    urls: tuple[str, ...]
    md5: str


def fetch(kind: str, folder: str, start: Callable[[str, int], None], advance: Callable[[int], None]) -> None:
    """Downloads the files of torchvision's class ``kind`` into a folder, and unpacks a tar archive there.

    Raises ``DataError`` in one line if no server has a file with the right checksum, and ``StorageError`` for a folder
    that cannot be written.
    """
    from torchvision import datasets

    for remote in remotes(getattr(datasets, kind)):
        path = Path(folder, remote.name)
        _download(remote, path, start, advance)
        if remote.name.endswith(".tar.gz"):
            _unpack(path)


def remotes(kind: Any) -> Iterable[Remote]:
    """The files of a class of torchvision: those of MNIST and its siblings, of SVHN, or of CIFAR."""
    if hasattr(kind, "resources"):
        for name, md5 in kind.resources:
            yield Remote(name, tuple(mirror + name for mirror in kind.mirrors), md5)
    elif hasattr(kind, "split_list"):
        for url, name, md5 in (kind.split_list[part] for part in ("test", "train")):
            yield Remote(name, (url,), md5)
    else:
        yield Remote(kind.filename, (kind.url,), kind.tgz_md5)


def _download(remote: Remote, path: Path, start: Callable[[str, int], None], advance: Callable[[int], None]) -> None:
    """Saves the file from the first address that has it. Raises ``DataError`` with what each address gave."""
    from http.client import HTTPException

    reasons = []
    for url in remote.urls:
        try:
            got = _save(url, path, start, advance)
        except (OSError, HTTPException) as error:
            reasons.append(f"{url}: {first_line(error)}")
            continue
        if got == remote.md5:
            return
        reasons.append(f"{url}: a file with MD5 {got}")
    rule = f"a file with MD5 {remote.md5}"
    raise DataError(expected(f"the download of {remote.name}", rule, "none", "; ".join(reasons)))


def _save(url: str, path: Path, start: Callable[[str, int], None], advance: Callable[[int], None]) -> str:
    """Saves what a URL has; returns its MD5.

    Raises ``OSError`` or ``HTTPException`` for the server, also if the end is missing; ``StorageError`` for the disk.
    """
    import hashlib
    from http.client import IncompleteRead
    from urllib.request import Request, urlopen

    state, done = hashlib.md5(usedforsecurity=False), 0
    request = Request(url, headers={"User-Agent": "benchsuite"})  # noqa: S310  (an address of torchvision)
    with urlopen(request, timeout=TIMEOUT) as response, _opened(path) as file:  # noqa: S310
        length = response.length
        start(f"downloading {path.name}, bytes", length or 0)
        while block := response.read(BLOCK):
            _write(file, block, path)
            state.update(block)
            done += len(block)
            advance(len(block))
    if length is not None and done != length:
        raise IncompleteRead(b"", length - done)
    return state.hexdigest()


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("wb", buffering=0)
    except OSError as error:
        raise StorageError(f"Cannot write {path}: {error.strerror or error}") from error


def _write(file: IO[bytes], block: bytes, path: Path) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise StorageError(f"Cannot write {path}: {error.strerror or error}") from error


def _unpack(path: Path) -> None:
    """Unpacks a tar archive into its folder and deletes it. Raises ``DataError`` with its name."""
    import tarfile
    import zlib

    try:
        with tarfile.open(path) as archive:
            archive.extractall(path.parent, filter="data")
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(expected(path.name, "a whole tar archive", first_line(error), str(path))) from None
    path.unlink()
