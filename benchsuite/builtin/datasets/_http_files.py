"""Files from HTTP servers: a download that breaks off goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from benchsuite import StorageError

BLOCK = 2**18
"""Bytes that are read at once."""
TIMEOUT = 60.0
"""Seconds without a byte after which a connection is given up."""
TRIES = 50
"""Connections for one file at most. A new one is opened only if the last one brought more bytes than there were."""

PARTIAL = ".partial"
"""End of the names of what ``benchsuite data download`` keeps of a download that fails: see ``Dataset.fetch``."""

ABOUT = {"etag": "ETag", "date": "Last-Modified"}
"""What the note beside a file says of the file on the server, and the headers that it is from."""

Start = Callable[[str, int], None]
Advance = Callable[[int], None]


def save(url: str, path: Path, md5: str, start: Start, advance: Advance) -> str:
    """Saves what a URL has as ``partial(path)``; returns its MD5. It goes on after what earlier calls left there.

    A file that has changed on the server, by its ETag or date, is downloaded from its start. So is one whose parts
    together do not have the checksum ``md5``, and one from a server that sends only whole files.

    Raises ``OSError`` or ``HTTPException`` for the server, also if the end is missing; ``StorageError`` for the disk.
    """
    from http.client import HTTPException

    most = _size(partial(path))
    for _ in range(TRIES):
        state = _hashed(partial(path))
        held = _size(partial(path))
        if held and state.hexdigest() == md5:
            start(f"downloading {path.name}, bytes", held)
            advance(held)
            return md5
        try:
            found, joined = _rest(url, path, held, state, start, advance)
        except (OSError, HTTPException):
            if _size(partial(path)) <= most:
                raise
            most = _size(partial(path))
            continue
        if found == md5 or not joined:
            return found
        forget(path)
    raise ConnectionError(f"{TRIES} connections broke off")


def partial(path: Path) -> Path:
    """Where a file lies until all files of its set are whole."""
    return path.with_name(f"{path.name}{PARTIAL}")


def forget(path: Path) -> None:
    """Deletes what was saved of a file."""
    partial(path).unlink(missing_ok=True)
    note(path).unlink(missing_ok=True)


def note(path: Path) -> Path:
    """The note that says from where ``partial(path)`` is."""
    return path.with_name(f"{path.name}.from{PARTIAL}")


def _rest(url: str, path: Path, held: int, state: Any, start: Start, advance: Advance) -> tuple[str, bool]:
    """Adds what is missing to the ``held`` bytes, whose MD5 is ``state``; returns the MD5, and whether any were used.

    A server that sends the whole file again has it saved from its start.
    """
    from http.client import IncompleteRead

    with _answer(url, path, held) as response:
        if response.status != 206:
            held, state = 0, hashlib.md5(usedforsecurity=False)
        length, done = response.length, 0
        with _opened(partial(path), "ab" if held else "wb") as file:
            _keep_note(path, url, response)
            start(f"downloading {path.name}, bytes", held + length if length is not None else 0)
            advance(held)
            while block := response.read(BLOCK):
                _write(file, block, path)
                state.update(block)
                done += len(block)
                advance(len(block))
    if length is not None and done != length:
        raise IncompleteRead(b"", length - done)
    return state.hexdigest(), held > 0


def _answer(url: str, path: Path, held: int) -> Any:
    """The server's answer: with status 206 what follows the ``held`` bytes of the same file, else the whole file."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    agent = {"User-Agent": "benchsuite"}
    if held:
        known = _note_of(path, url)
        tag, date = known.get("etag", ""), known.get("date", "")
        same = tag if tag and not tag.startswith("W/") else date
        ranged = {**agent, "Range": f"bytes={held}-", **({"If-Range": same} if same else {})}
        try:
            response = urlopen(Request(url, headers=ranged), timeout=TIMEOUT)  # noqa: S310  (an address of torchvision)
        except HTTPError as error:
            if error.code != 416:  # the file on the server is not longer than what is here
                raise
            error.close()
        else:
            follows = response.headers.get("Content-Range", "").startswith(f"bytes {held}-")
            if response.status != 206 or (follows and all(known.get(k, v) == v for k, v in _about(response).items())):
                return response
            response.close()
    return urlopen(Request(url, headers=agent), timeout=TIMEOUT)  # noqa: S310


def _about(response: Any) -> dict[str, str]:
    return {name: response.headers.get(header, "") for name, header in ABOUT.items()}


def _keep_note(path: Path, url: str, response: Any) -> None:
    try:
        note(path).write_text(json.dumps({"url": url, **_about(response)}), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"Cannot write {path}: {error.strerror or error}") from error


def _note_of(path: Path, url: str) -> dict[str, str]:
    """What is known of the file at a URL that the bytes here are from; empty if they are from another one."""
    try:
        known = json.loads(note(path).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and known.get("url") == url else {}


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _hashed(part: Path) -> Any:
    """The MD5 of a file, which can be updated; of no bytes if there is none."""
    state = hashlib.md5(usedforsecurity=False)
    if part.is_file():
        with part.open("rb") as file:
            while block := file.read(BLOCK):
                state.update(block)
    return state


def _opened(part: Path, mode: str) -> IO[bytes]:
    try:
        return part.open(mode, buffering=0)
    except OSError as error:
        raise StorageError(f"Cannot write {part}: {error.strerror or error}") from error


def _write(file: IO[bytes], block: bytes, path: Path) -> None:
    try:
        file.write(block)
    except OSError as error:
        raise StorageError(f"Cannot write {path}: {error.strerror or error}") from error
