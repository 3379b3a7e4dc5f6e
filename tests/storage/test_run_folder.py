"""Tests of run folders: one row per sample, and runs that are complete or absent."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from few_predictions import MANIFEST, columns

from benchsuite import StorageError, UnknownName
from benchsuite.storage.run_folder import (
    COLUMNS,
    find_run,
    read_manifest,
    read_predictions,
    read_whole_manifest,
    runs_in,
    write_run,
)


def saved(results: Path, name: str, n: int = 6) -> Path:
    folder = results / "runs" / name
    write_run(folder, MANIFEST | {"run_id": name}, columns(n))
    return folder


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    made = columns()
    write_run(tmp_path, MANIFEST, made)
    assert read_manifest(tmp_path) == MANIFEST
    found = read_predictions(tmp_path)
    assert list(found.columns) == list(COLUMNS)
    for name in COLUMNS:
        np.testing.assert_array_equal(np.stack(found[name].to_numpy()), made[name])
    assert found["rank"].dtype == np.int32


def test_a_manifest_never_stands_beside_the_predictions_of_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path, MANIFEST, columns())

    def killed(self: Path, *args: Any, **kwargs: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            write_run(tmp_path, MANIFEST, columns(seed=1))
    assert read_manifest(tmp_path) is None
    write_run(tmp_path, MANIFEST, columns(seed=1))
    assert read_manifest(tmp_path) == MANIFEST


def test_the_same_run_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_run(tmp_path / name, MANIFEST, columns())
    write_run(tmp_path / "one", MANIFEST, columns())
    for file in ("predictions.parquet", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    before = (tmp_path / "one" / "predictions.parquet").read_bytes()
    write_run(tmp_path / "one", MANIFEST, columns(seed=1))
    assert (tmp_path / "one" / "predictions.parquet").read_bytes() != before


def test_a_manifest_without_predictions_is_no_run(tmp_path: Path) -> None:
    write_run(tmp_path, MANIFEST, columns())
    (tmp_path / "predictions.parquet").unlink()
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize("content", [None, "", "{", "[1]", '"text"', "\xff"])
def test_a_damaged_or_missing_manifest_is_no_run(tmp_path: Path, content: str | None) -> None:
    write_run(tmp_path, MANIFEST, columns())
    path = tmp_path / "manifest.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    assert read_manifest(tmp_path) is None


def test_the_manifest_is_written_last_so_that_a_run_is_whole_or_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *args: object, **kwargs: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StorageError, match=r"^Cannot write .*manifest\.json: No space left on device$"):
        write_run(tmp_path, MANIFEST, columns())
    assert read_manifest(tmp_path) is None
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.parquet"]


def test_a_results_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(StorageError, match=r"^Cannot write .*results/runs/x/predictions\.parquet: "):
        write_run(tmp_path / "results" / "runs" / "x", MANIFEST, columns())


@pytest.mark.parametrize("content", [None, b"", b"PAR1 but not really"])
def test_predictions_that_cannot_be_read_are_one_line_with_the_file(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "predictions.parquet").write_bytes(content)
    with pytest.raises(StorageError, match=r"^Cannot read .*predictions\.parquet: ") as caught:
        read_predictions(tmp_path)
    assert "\n" not in str(caught.value)


def test_runs_are_listed_by_name(tmp_path: Path) -> None:
    assert runs_in(tmp_path) == []
    for name in ("b-run", "a-run"):
        saved(tmp_path, name)
    (tmp_path / "runs" / "no-run").mkdir()
    assert [p.name for p in runs_in(tmp_path)] == ["a-run", "b-run"]


def test_a_run_is_found_by_its_id_its_beginning_or_its_path(tmp_path: Path) -> None:
    first, second = saved(tmp_path, "net-1crop-digits-0a"), saved(tmp_path, "net-10crop-digits-0b")
    assert find_run(tmp_path, first.name) == first
    assert find_run(tmp_path, "net-10") == second
    assert find_run(tmp_path, "0a") == first, "a table of runs says no more of them"
    assert find_run(tmp_path / "elsewhere", str(second)) == second


def test_the_beginning_of_the_last_part_is_enough_and_of_two_such_parts_both_are_named(tmp_path: Path) -> None:
    first, second = (saved(tmp_path, f"net-1crop-digits-{digits}") for digits in ("f894756e", "f012cafe"))
    assert find_run(tmp_path, "f89") == first
    assert find_run(tmp_path, "f01") == second
    with pytest.raises(UnknownName, match=r"^Expected one run, got 2 that begin with 'f'"):
        find_run(tmp_path, "f")


def test_a_whole_id_wins_over_the_beginning_of_another(tmp_path: Path) -> None:
    short = saved(tmp_path, "net-1")
    saved(tmp_path, "net-12")
    assert find_run(tmp_path, "net-1") == short


def test_a_beginning_of_several_runs_is_ambiguous_and_names_them(tmp_path: Path) -> None:
    for name in ("net-1crop", "net-10crop"):
        saved(tmp_path, name)
    with pytest.raises(UnknownName, match=r"^Expected one run, got 2 that begin with 'net-1': net-10crop, net-1crop$"):
        find_run(tmp_path, "net-1")


def test_an_unknown_run_is_suggested_with_the_folder_that_was_searched(tmp_path: Path) -> None:
    saved(tmp_path, "net-1crop-digits-0a")
    with pytest.raises(UnknownName) as caught:
        find_run(tmp_path, "nett-1crop-digits-0a")
    assert str(caught.value) == (
        f"Unknown run 'nett-1crop-digits-0a': did you mean 'net-1crop-digits-0a'? (in {tmp_path / 'runs'})"
    )
    with pytest.raises(UnknownName, match="known: none"):
        find_run(tmp_path / "empty", "anything")


def test_a_manifest_is_readable_text(tmp_path: Path) -> None:
    write_run(tmp_path, MANIFEST, columns())
    text = (tmp_path / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(text) == MANIFEST
    assert "größer" in text
    assert text.endswith("}\n")


def test_the_manifest_of_a_run_that_is_not_whole_is_refused_with_its_folder(tmp_path: Path) -> None:
    write_run(tmp_path, MANIFEST, columns())
    assert read_whole_manifest(tmp_path) == read_manifest(tmp_path) == MANIFEST
    (tmp_path / "predictions.parquet").unlink()
    with pytest.raises(StorageError, match=f"whole: a manifest and its predictions, got a broken one .{tmp_path}"):
        read_whole_manifest(tmp_path)
