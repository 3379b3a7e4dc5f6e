"""Downloads of data sets that may be had freely: addresses and checksums are those of torchvision's classes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite import DataError, expected, first_line
from benchsuite.builtin.datasets import _http_files
from benchsuite.builtin.datasets._http_files import Advance, Start


@dataclass(frozen=True, slots=True)
class Remote:
    """A file to download: its name, its addresses in the order of trial, and its MD5."""

    name: str
    urls: tuple[str, ...]
    md5: str


def fetch(kind: str, folder: str, start: Start, advance: Advance) -> None:
    """Downloads the files of torchvision's class ``kind`` into a folder, and unpacks a tar archive there.

    Files that are not whole yet, and those that wait for others, end in ``.partial``; an earlier call may have left
    them. Raises ``DataError`` in one line if no server has a file with the right checksum, and ``StorageError`` for a
    folder that cannot be written.
    """
    from torchvision import datasets

    wanted = [(remote, Path(folder, remote.name)) for remote in remotes(getattr(datasets, kind))]
    for remote, path in wanted:
        _download(remote, path, start, advance)
    for remote, path in wanted:
        if remote.name.endswith(".tar.gz"):
            _unpack(path)
        else:
            _http_files.partial(path).rename(path)
        _http_files.forget(path)


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


def _download(remote: Remote, path: Path, start: Start, advance: Advance) -> None:
    """Saves the file from the first address that has it, under its partial name.

    Raises ``DataError`` with what each address gave.
    """
    from http.client import HTTPException

    reasons = []
    for url in remote.urls:
        try:
            got = _http_files.save(url, path, remote.md5, start, advance)
        except (OSError, HTTPException) as error:
            reasons.append(f"{url}: {first_line(error)}")
            continue
        if got == remote.md5:
            return
        _http_files.forget(path)
        reasons.append(f"{url}: a file with MD5 {got}")
    rule = f"a file with MD5 {remote.md5}"
    raise DataError(expected(f"the download of {remote.name}", rule, "none", "; ".join(reasons)))


def _unpack(path: Path) -> None:
    """Unpacks a tar archive, which has its partial name, into its folder. Raises ``DataError`` with its name."""
    import tarfile
    import zlib

    try:
        with tarfile.open(_http_files.partial(path)) as archive:
            archive.extractall(path.parent, filter="data")
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise DataError(expected(path.name, "a whole tar archive", first_line(error), str(path))) from None
