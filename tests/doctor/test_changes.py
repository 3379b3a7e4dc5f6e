"""Tests of what has changed since the last check: counted by size, times, inode or content, and never forgotten."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import copies
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchsuite import StorageError, load_plugins
from benchsuite.doctor import changes
from benchsuite.doctor.changes import Record, State
from benchsuite.doctor.check import CheckRequest, checkup
from benchsuite.doctor.kinds import Finding
from benchsuite.progress import Progress

CATALOG = load_plugins()


def told(data: str, *, full: bool = False) -> list[Finding]:
    """The findings on changes."""
    return [f for f in checkup(CheckRequest(data, full=full), CATALOG, Progress()).findings if f.check == "changes"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for n, name in enumerate(("a/0.bmp", "a/1.bmp", "b/0.bmp")):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9), (n, 5, 5)).save(tmp_path / "set" / name)
    return tmp_path / "set"


def test_the_first_check_has_nothing_to_compare_and_the_second_tells_each_change(root: Path) -> None:
    data = f"folder:{root}"
    assert told(data) == []
    (same,) = told(data)
    assert (same.kind, same.level) == ("unchanged", "ok")
    assert same.text.endswith("by size, times and inode")
    Image.new("RGB", (9, 9), (7, 7, 7)).save(root / "a" / "new.bmp")
    os.utime(root / "a" / "0.bmp", (1, 1))
    (root / "b" / "0.bmp").rename(root / "b" / "1.bmp")
    (changed,) = told(data)
    assert (changed.kind, changed.level) == ("changed", "note")
    assert changed.text.endswith(": 2 images new, 1 image gone, 1 image with another size or time")
    assert changed.examples == ("a/new.bmp", "b/1.bmp", "b/0.bmp", "a/0.bmp")
    assert [f.kind for f in told(data)] == ["unchanged"]


def test_full_compares_the_content_of_files_and_of_members_of_an_archive(tmp_path: Path, root: Path) -> None:
    told(f"folder:{root}", full=True)
    assert told(f"folder:{root}", full=True)[0].text.endswith("by content")
    tar = copies.class_tar(tmp_path / "copy", copies.made_up(4))
    data = f"imagenet:{tar}"
    told(data, full=True)
    with tarfile.open(tar) as archive:
        member = next(m for m in archive if m.isfile())
    status = tar.stat()
    with tar.open("r+b") as file:
        file.seek(member.offset_data + member.size // 2)
        file.write(b"\x55" * 3)
    os.utime(tar, ns=(status.st_atime_ns, status.st_mtime_ns))
    (quick,) = told(data)
    assert (quick.kind, len(quick.examples)) == ("perhaps-changed", 4), "an archive is one file"
    (rotten,) = told(data, full=True)
    assert (rotten.kind, rotten.level, len(rotten.examples)) == ("rotten", "failed", 1)


def test_sets_have_records_of_their_own_and_a_relative_path_is_that_of_the_folder(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root.parent)
    one = changes.place("folder:set", "test")
    assert one == changes.place(f"folder:{root}", "test")
    others = [("folder:set", "train"), ("imagenet:set", "test"), ("folder:set,depth=scale", "test"), ("digits", "test")]
    assert len({one, *(changes.place(*other) for other in others)}) == 5


def test_a_damaged_record_and_a_cache_that_cannot_be_written_are_no_fault_of_the_data_set(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = f"folder:{root}"
    told(data)
    changes.place(data, "test").write_bytes(b"PAR1")
    assert told(data) == []

    def refused(path: Path) -> None:
        raise StorageError(f"Cannot write {path}")

    monkeypatch.setattr(changes, "writing", refused)
    assert [f.kind for f in told(data)] == ["unchanged"]


STATES = st.dictionaries(
    st.sampled_from("abcde"),
    st.builds(State, st.sampled_from("xy"), st.sampled_from("12"), st.sampled_from(["", "p", "q"])),
)


@given(STATES, STATES)
def test_other_content_with_the_same_stamp_is_told_until_the_stamp_changes(
    before: dict[str, State], now: dict[str, State]
) -> None:
    findings, kept = changes.changes(Record("D", before), now)
    told_of = {f.kind: f.examples for f in findings}
    same = [n for n in now if n in before and now[n].stamp == before[n].stamp]
    rotten = [n for n in same if now[n].content and before[n].content not in ("", now[n].content)]
    assert list(told_of.get("rotten", ())) == rotten
    assert set(kept) == set(now)
    again, _ = changes.changes(Record("E", kept), now)
    assert [f.examples for f in again if f.kind == "rotten"] == ([tuple(rotten)] if rotten else [])
    moved = {n: State(f"{s.stamp}!", s.node, s.content) for n, s in now.items()}
    after, kept = changes.changes(Record("F", kept), moved)
    assert "rotten" not in {f.kind for f in after}
    assert kept == moved
