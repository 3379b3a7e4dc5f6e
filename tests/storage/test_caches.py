"""Tests of the cache folder: ages, sizes, and files that another process works on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

import benchsuite
from benchsuite.cli import main
from benchsuite.errors import BadParameter
from benchsuite.storage import caches

DAY = 86400


def put(root: Path, name: str, size: int, days: float) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x" * size)
    os.utime(path, (time.time() - days * DAY,) * 2)
    return path


@pytest.fixture
def cache(isolated: Path) -> Path:
    root = isolated / "cache"
    put(root, "chunks/net/view/a.logits", 1000, 40)
    put(root, "chunks/net/view/b.logits", 500, 2)
    put(root, "chunks/net/claims", 0, 50)
    put(root, "chunks/other/view/c.logits", 100, 31)
    put(root, "weights/w.safetensors", 2000, 100)
    put(root, "weights/w.lock", 0, 100)
    put(root, "data/mnist/train", 9000, 400)
    put(root, "prepared.claims", 0, 400)
    return root


def there(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_dry_run_says_what_goes_and_deletes_nothing(cache: Path) -> None:
    before = there(cache)
    found = benchsuite.clear_cache("30d", dry_run=True)
    assert there(cache) == before
    assert found.record["bytes"] == 3100
    assert [row["kind"] for row in found.record["kinds"]] == ["weights", "chunks"]


def test_old_files_go_and_locks_data_sets_and_new_files_stay(cache: Path) -> None:
    before, planned = there(cache), benchsuite.clear_cache("30d", dry_run=True)
    found = benchsuite.clear_cache("30d")
    gone = {"chunks/net/view/a.logits", "chunks/other/view/c.logits", "weights/w.safetensors"}
    assert there(cache) == before - gone
    assert found.files == planned.files
    assert not (cache / "chunks" / "other").exists(), "empty folders are deleted"
    assert benchsuite.clear_cache("30d").record["bytes"] == 0


HOLD = """
import sys, pathlib
from benchsuite.storage.locks import locks
with locks(pathlib.Path(sys.argv[1])) as file:
    file.take(12345678901234, wait=True)
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize(
    ("lock", "kept"),
    [
        ("chunks/net/claims", "chunks/net/view/a.logits"),
        ("weights/w.lock", "weights/w.safetensors"),
        ("prepared.claims", "prepared/p.beton"),
    ],
)
def test_what_another_process_works_on_is_kept_until_it_ends(lock: str, kept: str, cache: Path) -> None:
    put(cache, "prepared/p.beton", 70, 60)
    program = [sys.executable, "-c", HOLD, str(cache / lock)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        planned, found = benchsuite.clear_cache("30d", dry_run=True), benchsuite.clear_cache("30d")
        assert [str(file.path.relative_to(cache)) for file in found.used] == [kept]
        assert planned.used == found.used
        assert kept in there(cache)
        assert "kept, because other processes use them: 1 files" in found.lines()[1]
        other.communicate("")
    assert [str(file.path.relative_to(cache)) for file in benchsuite.clear_cache("30d").files] == [kept]


def test_the_list_has_sizes_by_kind(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache", "list", "--json"]) == 0
    kinds = {row["kind"]: row["bytes"] for row in json.loads(capsys.readouterr().out)["kinds"]}
    assert kinds == {"data": 9000, "weights": 2000, "chunks": 1600}
    assert main(["cache", "list"]) == 0
    assert capsys.readouterr().out.startswith("12.6 kB in ")


@pytest.mark.parametrize(("age", "seconds"), [("12h", 43200), ("30d", 30 * DAY), ("2w", 14 * DAY), ("0d", 0)])
def test_ages(age: str, seconds: int) -> None:
    assert caches.seconds(age) == seconds


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1.5d", "30 d", "", "1y"])
def test_a_wrong_age_is_one_line_and_deletes_nothing(age: str, cache: Path) -> None:
    before = there(cache)
    with pytest.raises(BadParameter, match="Expected --older-than to be a number and h, d or w"):
        benchsuite.clear_cache(age)
    assert there(cache) == before


def test_the_version_says_the_environment_and_imports_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    from benchsuite.storage.environment import environment

    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    first, python, packages = capsys.readouterr().out.splitlines()
    versions = environment()["versions"]
    assert first == f"benchsuite {versions['benchsuite']}"
    assert python.startswith(f"Python {versions['python']}, ")
    assert f"torch {versions['torch']}" in packages
