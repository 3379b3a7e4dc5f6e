"""Tests of the cache folder, and of files that are written completely or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from cached_files import files

from benchsuite import cache_dir
from benchsuite.storage.files import writing


def test_a_file_has_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with writing(path) as part:
        part.write_bytes(b"whole")
        assert not path.exists()
    assert path.read_bytes() == b"whole"
    assert files(tmp_path) == [path]


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"BENCHSUITE_CACHE": "/a", "XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/a"),
        ({"XDG_CACHE_HOME": "/b", "HOME": "/c"}, "/b/benchsuite"),
        ({"HOME": "/c"}, "/c/.cache/benchsuite"),
        ({"BENCHSUITE_CACHE": "", "XDG_CACHE_HOME": "", "HOME": "/c"}, "/c/.cache/benchsuite"),
    ],
)
def test_the_cache_is_where_the_user_says(
    variables: dict[str, str], folder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("BENCHSUITE_CACHE", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert cache_dir() == Path(folder)
