"""Tests of downloads: the folder appears when it is whole, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from recorded_progress import RecordedProgress

from benchsuite import DataError, StorageError
from benchsuite.data.downloads import download

Step = Callable[..., None]


def test_the_folder_appears_when_all_files_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "set"

    def fetch(part: str, start: Step, advance: Step) -> None:
        start("a file", 4)
        Path(part, "file").write_bytes(b"1234")
        advance(4)
        assert not folder.exists()

    progress = RecordedProgress()
    download(fetch, folder, progress)
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


def test_a_folder_that_was_filled_meanwhile_is_kept(tmp_path: Path) -> None:
    def fetch(part: str, start: Step, advance: Step) -> None:
        (tmp_path / "set").mkdir()
        (tmp_path / "set" / "other").touch()

    with pytest.raises(StorageError, match=f"Cannot write {tmp_path}/set: Directory not empty"):
        download(fetch, tmp_path / "set", RecordedProgress())
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*")] == ["set", "set/other"]
