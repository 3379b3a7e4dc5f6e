"""Tests of the file that says where data sets lie: its folder, damage, several processes, and full paths."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchsuite import BenchsuiteError, DataError, StorageError, load_plugins
from benchsuite.storage.data_places import (
    DataPlace,
    changing_places,
    config_file,
    full_path,
    known_places,
    located,
)

CATALOG = load_plugins(entry_points=False)


def put(*places: DataPlace) -> None:
    with changing_places() as known:
        known.update((place.name, place) for place in places)


def place(name: str, path: str = "/data", **rest: object) -> DataPlace:
    return DataPlace(name, path, name, 3, "d", **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("variables", "file"),
    [
        ({"BENCHSUITE_CONFIG": "/a", "XDG_CONFIG_HOME": "/b", "HOME": "/c"}, "/a/datasets.json"),
        ({"XDG_CONFIG_HOME": "/b", "HOME": "/c"}, "/b/benchsuite/datasets.json"),
        ({"BENCHSUITE_CONFIG": "", "XDG_CONFIG_HOME": "", "HOME": "/c"}, "/c/.config/benchsuite/datasets.json"),
    ],
)
def test_the_file_is_where_the_user_says(variables: dict[str, str], file: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BENCHSUITE_CONFIG", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert config_file() == Path(file)


def test_what_was_written_is_read_and_no_part_is_left() -> None:
    assert known_places() == {}
    checked = place("imagenet", "/a/é,b", checked="2026-01-01T00:00:00+00:00", fine=False, full=True)
    put(place("mnist"), checked)
    assert known_places() == {"imagenet": checked, "mnist": place("mnist")}
    assert {p.name for p in config_file().parent.iterdir()} == {"datasets.json", "datasets.lock"}


def test_nothing_is_written_if_the_change_fails_or_is_none() -> None:
    put(place("mnist"))
    before = config_file().stat()
    with contextlib.suppress(ZeroDivisionError), changing_places() as known:
        known.clear()
        raise ZeroDivisionError
    put(place("mnist"))
    after = config_file().stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_processes_that_write_at_once_lose_nothing() -> None:
    program = (
        "import sys, time\n"
        "from benchsuite.storage.data_places import DataPlace, changing_places\n"
        "for i in range(3):\n"
        "    name = f'{sys.argv[1]}{i}'\n"
        "    with changing_places() as known:\n"
        "        time.sleep(0.02)\n"
        "        known[name] = DataPlace(name, '/data', name, 1, 'd')\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, who]) for who in "abc"]
    assert [process.wait() for process in running] == [0, 0, 0]
    assert sorted(known_places()) == [f"{who}{i}" for who in "abc" for i in range(3)]


ENTRY = {"path": "/d", "split": "s", "images": 1, "digest": "d", "checked": "", "fine": None, "full": False}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b"\xff\xfe",
        b'{"datasets": []}',
        b'{"datasets": {"mnist": "/data"}}',
        json.dumps({"datasets": {"mnist": {k: v for k, v in ENTRY.items() if k != "path"}}}).encode(),
        *(json.dumps({"datasets": {"mnist": ENTRY | {k: [v]}}}).encode() for k, v in ENTRY.items()),
        b"[" * 100_000,
    ],
)
def test_a_damaged_file_is_one_line_that_names_it(content: bytes) -> None:
    config_file().parent.mkdir(exist_ok=True)
    config_file().write_bytes(content)
    with pytest.raises(DataError) as refused:
        known_places()
    assert str(config_file()) in str(refused.value)
    assert "\n" not in str(refused.value)
    with pytest.raises(DataError), changing_places():
        pass
    assert config_file().read_bytes() == content


def test_keys_of_a_later_version_are_passed_over() -> None:
    config_file().write_text(json.dumps({"datasets": {"mnist": ENTRY | {"colour": "red"}}, "version": 9}))
    assert known_places()["mnist"].path == "/d"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["datasets", "mnist", *ENTRY]), inner, max_size=3)
        ),
        max_leaves=12,
    ).map(lambda value: json.dumps(value).encode())
)
def test_whatever_the_file_holds_it_is_read_or_refused_in_one_line(content: bytes) -> None:
    config_file().write_bytes(content)
    line = ""
    try:
        names = {p.name: (p.path.upper(), p.images + 1) for p in known_places().values()}
    except BenchsuiteError as error:
        names, line = {}, str(error)
    assert bool(line) or json.loads(content)["datasets"].keys() == names.keys()
    assert len(line.splitlines()) <= 1


def test_a_file_that_cannot_be_read_or_written_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "datasets.json").mkdir()
    monkeypatch.setenv("BENCHSUITE_CONFIG", str(tmp_path))
    with pytest.raises(StorageError, match=f"Cannot read {tmp_path}/datasets.json: Is a directory"):
        known_places()
    (tmp_path / "file").touch()
    monkeypatch.setenv("BENCHSUITE_CONFIG", str(tmp_path / "file"))
    with pytest.raises(
        StorageError, match=rf"^Cannot write {tmp_path}/file/datasets.lock: .* \(BENCHSUITE_CONFIG names another"
    ):
        put(place("mnist"))


def test_a_name_alone_becomes_the_place_and_all_else_is_unchanged(tmp_path: Path) -> None:
    put(place("imagenet", str(tmp_path)), place("hf", "ORG/NAME"), place("digits", str(tmp_path)))
    assert located("imagenet", CATALOG) == located("imagenet:", CATALOG) == f"imagenet:{tmp_path}"
    assert located("hf", CATALOG) == "hf:ORG/NAME"
    for text in ("imagenet,depth=scale,alpha=white", "imagenet:,depth=scale,alpha=white"):
        assert located(text, CATALOG) == f"imagenet:{tmp_path},depth=scale,alpha=white"
    for text in ("imagenet:/other", "cifar10", "digits", "imagnet", "imagenet-r", ""):
        assert located(text, CATALOG) == text


def test_the_file_is_not_read_when_a_path_is_given_or_none_is_needed() -> None:
    config_file().write_bytes(b"{")
    for text in ("imagenet:/data", "digits"):
        assert located(text, CATALOG) == text
    with pytest.raises(DataError, match="the file of known data sets"):
        located("imagenet", CATALOG)


def test_a_place_that_is_gone_is_one_line_with_the_commands_that_mend_it(tmp_path: Path) -> None:
    put(place("imagenet", f"{tmp_path}/gone,labels=/x"))
    with pytest.raises(DataError) as refused:
        located("imagenet", CATALOG)
    assert str(refused.value) == (
        f"Expected imagenet to be where it was when it was added, got nothing at {tmp_path}/gone,labels=/x "
        "(`benchsuite data add imagenet PATH` says where it is now, `benchsuite data remove imagenet` forgets it)"
    )
    (tmp_path / "gone").mkdir()
    assert located("imagenet", CATALOG) == f"imagenet:{tmp_path}/gone,labels=/x"


def test_paths_become_full_with_the_files_in_their_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a,b", "a", "labels.txt", "home/x"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = str(tmp_path)
    assert full_path("a") == f"{root}/a"
    assert full_path("a/../link") == f"{root}/link"
    assert full_path("~/x") == f"{root}/home/x"
    assert full_path("a,b,labels=labels.txt") == f"{root}/a,b,labels={root}/labels.txt"
    (tmp_path / "scale").touch()
    assert full_path("a,depth=scale") == f"{root}/a,depth=scale"
    assert full_path("a,labels=no.txt,real=~/x") == f"{root}/a,labels=no.txt,real={root}/home/x"
    for text in ("s3://bucket/a.tar", "ORG/NAME", "", ",labels=labels.txt", f"{root}/none"):
        assert full_path(text) == text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["a", "b", "labels=a", "real=none", "~", "..", "a b"]), max_size=4))
def test_a_full_path_stays_as_it_is_and_names_the_same_file(tmp_path: Path, words: list[str]) -> None:
    (tmp_path / "a").mkdir(exist_ok=True)
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        once = full_path(",".join(words))
    finally:
        os.chdir(before)
    assert full_path(once) == once
