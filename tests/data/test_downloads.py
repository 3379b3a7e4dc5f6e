"""Tests of downloads: the folder appears when it is whole, or not at all."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from recorded_progress import RecordedProgress

from benchsuite import DataError, StorageError
from benchsuite.data.downloads import download

Step = Callable[..., None]

PROGRAM = (
    "import os, sys, time\n"
    "from pathlib import Path\n"
    "from benchsuite.data.downloads import download\n"
    "from benchsuite.progress import Progress\n"
    "def fetch(part, *_):\n"
    "    Path(part, 'file').touch()\n"
    "    {}\n"
    "print(download(fetch, Path(sys.argv[1]), Progress()))\n"
)
"""Downloads a file to a folder in a process of its own, which does something in between."""


def test_the_folder_appears_when_all_files_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "set"

    def fetch(part: str, start: Step, advance: Step) -> None:
        start("a file", 4)
        Path(part, "file").write_bytes(b"1234")
        advance(4)
        assert not folder.exists()

    progress = RecordedProgress()
    assert download(fetch, folder, progress)
    assert [p.name for p in folder.parent.iterdir()] == ["set"]
    assert (folder / "file").read_bytes() == b"1234"
    assert (progress.done, progress.total) == (4, 4)


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    download(lambda part, *_: Path(part, "file").touch(), folder, RecordedProgress())
    assert (folder / "file").is_file()


@pytest.mark.parametrize("error", [DataError("no server"), KeyboardInterrupt(), OSError(28, "No space left")])
def test_nothing_is_left_of_a_download_that_fails(tmp_path: Path, error: BaseException) -> None:
    def fetch(part: str, start: Step, advance: Step) -> None:
        Path(part, "file").write_bytes(b"half")
        raise error

    wanted = StorageError if isinstance(error, OSError) else type(error)
    with pytest.raises(wanted):
        download(fetch, tmp_path / "set", RecordedProgress())
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_deleted_by_the_next_download(tmp_path: Path) -> None:
    program = PROGRAM.format("os._exit(9)")
    assert subprocess.run([sys.executable, "-c", program, str(tmp_path / "set")], check=False).returncode == 9
    assert len(list(tmp_path.iterdir())) == 1
    assert download(lambda part, *_: Path(part, "whole").touch(), tmp_path / "set", RecordedProgress())
    assert [p.relative_to(tmp_path).as_posix() for p in sorted(tmp_path.rglob("*"))] == ["set", "set/whole"]


def test_two_processes_download_once(tmp_path: Path) -> None:
    words = [sys.executable, "-c", PROGRAM.format("time.sleep(0.3)"), str(tmp_path / "set")]
    running = [subprocess.Popen(words, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(process.communicate()[0] for process in running) == ["False\n", "True\n"]
    assert [p.name for p in (tmp_path / "set").iterdir()] == ["file"]


def test_a_folder_that_holds_something_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path, tmp_path / "file"):
        assert not download(lambda *_: pytest.fail("nothing is to be fetched"), folder, RecordedProgress())


def test_a_folder_that_was_filled_meanwhile_is_kept(tmp_path: Path) -> None:
    def fetch(part: str, start: Step, advance: Step) -> None:
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "other").touch()

    with pytest.raises(StorageError, match=f"Cannot write {tmp_path}/set: Directory not empty"):
        download(fetch, tmp_path / "set", RecordedProgress())
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == ["set", "set/other"]
