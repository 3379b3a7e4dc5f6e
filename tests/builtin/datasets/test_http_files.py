"""Tests of files from a server that breaks off: only what is missing is sent, and the checksum decides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.client import IncompleteRead
from pathlib import Path

import download_server
import pytest
from download_server import Server
from recorded_progress import RecordedProgress

from benchsuite.builtin.datasets import _http_files as http_files

CONTENT = bytes(range(256)) * 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "file").write_bytes(CONTENT)
    with download_server.serving(tmp_path / "server") as served:
        served.ranges = True
        yield served


def saved(server: Server, folder: Path, md5: str | None = None) -> bytes:
    """What is on disk after ``save``, whose checksum is compared."""
    wanted = md5 or download_server.md5(server.folder / "file")
    quiet = RecordedProgress()
    assert http_files.save(f"{server.address}/file", folder / "file", wanted, quiet.start, quiet.advance) == wanted
    return http_files.partial(folder / "file").read_bytes()


def left(server: Server, folder: Path, count: int) -> None:
    """Leaves the first bytes of a download that was interrupted."""
    saved(server, folder)
    http_files.partial(folder / "file").write_bytes(CONTENT[:count])
    server.sent = 0
    server.parts.clear()


def test_a_connection_that_breaks_off_is_opened_again_for_the_rest(server: Server, tmp_path: Path) -> None:
    server.cut = True
    assert saved(server, tmp_path) == CONTENT
    assert server.sent == len(CONTENT)
    assert server.parts[:3] == [None, f"bytes={len(CONTENT) // 2}-", f"bytes={len(CONTENT) * 3 // 4}-"]


@pytest.mark.parametrize("count", [1, 5000, len(CONTENT) - 1])
@pytest.mark.parametrize("dated", [True, False])
def test_the_next_call_asks_for_the_rest_alone(server: Server, tmp_path: Path, count: int, dated: bool) -> None:
    server.dated = dated
    left(server, tmp_path, count)
    assert saved(server, tmp_path) == CONTENT
    assert (server.parts, server.sent) == ([f"bytes={count}-"], len(CONTENT) - count)


def test_a_file_that_is_whole_is_not_asked_for_again(server: Server, tmp_path: Path) -> None:
    left(server, tmp_path, len(CONTENT))
    progress = RecordedProgress()
    wanted = download_server.md5(server.folder / "file")
    path = tmp_path / "file"
    assert http_files.save(f"{server.address}/file", path, wanted, progress.start, progress.advance) == wanted
    assert (server.parts, progress.done, progress.total) == ([], len(CONTENT), len(CONTENT))


def test_progress_counts_what_was_there(server: Server, tmp_path: Path) -> None:
    left(server, tmp_path, 5000)
    progress = RecordedProgress()
    wanted = download_server.md5(server.folder / "file")
    http_files.save(f"{server.address}/file", tmp_path / "file", wanted, progress.start, progress.advance)
    assert progress.done == progress.total == len(CONTENT)


def test_a_server_that_sends_whole_files_only_sends_it_again(server: Server, tmp_path: Path) -> None:
    left(server, tmp_path, 5000)
    server.ranges = False
    assert saved(server, tmp_path) == CONTENT
    assert server.sent == len(CONTENT)
    server.cut = True  # and one that breaks off each time is given up
    http_files.forget(tmp_path / "file")
    with pytest.raises(IncompleteRead):
        saved(server, tmp_path)
    assert http_files.partial(tmp_path / "file").read_bytes() == CONTENT[: len(CONTENT) // 2]


@pytest.mark.parametrize("careful", [True, False])
@pytest.mark.parametrize("weak", [True, False])
def test_a_file_that_has_changed_is_downloaded_from_its_start(
    server: Server, tmp_path: Path, careful: bool, weak: bool
) -> None:
    """Whether the server or the download finds out."""
    server.tag = 'W/"1"' if weak else '"1"'
    left(server, tmp_path, 5000)
    (server.folder / "file").write_bytes(CONTENT[::-1])
    server.tag, server.careful = server.tag.replace("1", "2"), careful
    assert saved(server, tmp_path) == CONTENT[::-1]
    assert server.parts[0] == "bytes=5000-"
    assert json.loads(http_files.note(tmp_path / "file").read_text())["etag"] == server.tag


@pytest.mark.parametrize("count", [5000, len(CONTENT), len(CONTENT) + 9])
def test_bytes_that_do_not_belong_together_are_downloaded_again(server: Server, tmp_path: Path, count: int) -> None:
    """The server says that nothing has changed: the checksum decides. A file that is too long has no rest."""
    left(server, tmp_path, 0)
    http_files.partial(tmp_path / "file").write_bytes(b"?" * count)
    assert saved(server, tmp_path) == CONTENT


@pytest.mark.parametrize("text", [None, "", "[]", '{"url": "elsewhere", "etag": "other"}'])
def test_without_a_note_the_checksum_decides_alone(server: Server, tmp_path: Path, text: str | None) -> None:
    left(server, tmp_path, 5000)
    note = http_files.note(tmp_path / "file")
    note.unlink() if text is None else note.write_text(text)
    assert saved(server, tmp_path) == CONTENT
    assert server.sent == len(CONTENT) - 5000


def test_another_checksum_than_wanted_is_returned(server: Server, tmp_path: Path) -> None:
    left(server, tmp_path, 5000)
    progress = RecordedProgress()
    found = http_files.save(f"{server.address}/file", tmp_path / "file", "0" * 32, progress.start, progress.advance)
    assert found == download_server.md5(server.folder / "file")
    assert server.parts == ["bytes=5000-", None]
