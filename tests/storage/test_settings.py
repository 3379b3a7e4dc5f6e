"""Tests of config files: which are found, whose value counts, the line of a value, and damage."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import BenchsuiteError
from benchsuite.storage.files import config_files, config_folder
from benchsuite.storage.settings import line_of, read_settings


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The root of a repository in which files of settings are read; the working folder is two folders below it."""
    root, below = tmp_path / "project", tmp_path / "project" / "a" / "b"
    below.mkdir(parents=True)
    (root / ".git").mkdir()
    monkeypatch.setenv("BENCHSUITE_CONFIG", str(tmp_path / "own"))
    monkeypatch.chdir(below)
    return root


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def values(*files: Path) -> dict[str, object]:
    """What counts of each name."""
    return {setting.name: setting.value for setting in reversed(read_settings(files))}


def test_projects_are_looked_for_up_to_the_root_of_the_repository_and_count_more_than_the_user(project: Path) -> None:
    outside, root, inner = (
        write(folder / "pyproject.toml", "[tool.benchsuite]") for folder in (project.parent, project, project / "a")
    )
    own = write(project.parent / "own" / "config.toml", "")
    assert config_files() == [inner, root, own]
    (project / ".git").rmdir()
    assert config_files()[:3] == [inner, root, outside]


def test_nothing_is_read_with_config_0(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(project / "pyproject.toml", "[tool.benchsuite]")
    write(Path(os.environ["XDG_CONFIG_HOME"]) / "benchsuite" / "config.toml", "")
    monkeypatch.setenv("BENCHSUITE_CONFIG", "0")
    assert config_files() == []
    assert config_folder() == Path(os.environ["XDG_CONFIG_HOME"]) / "benchsuite", "the places of data sets stay known"


@pytest.mark.parametrize(
    ("system", "folder"),
    [
        ("linux", "/h/.config/benchsuite"),
        ("darwin", "/h/Library/Application Support/benchsuite"),
        ("win32", "/local/benchsuite"),
    ],
)
def test_the_folder_is_that_of_the_system(system: str, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BENCHSUITE_CONFIG", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    monkeypatch.setattr(sys, "platform", system)
    assert config_folder() == Path(folder)


def test_the_nearest_table_is_used_and_others_are_not_mixed_in(project: Path) -> None:
    near = write(project / "a" / "pyproject.toml", "[project]\nname = 'x'\ndependencies = ['benchsuite']\n")
    far = write(project / "pyproject.toml", "[tool.benchsuite]\ndata = 'far'\n[tool.benchsuite.run]\nlimit = 3\n")
    assert values(near, far) == {"data": "far", "run.limit": 3}
    write(near, "[tool.benchsuite]\ndevice = 'cpu'\n")
    assert values(near, far) == {"device": "cpu"}


def test_a_project_counts_more_than_the_user_and_a_command_more_than_all_of_them(project: Path) -> None:
    theirs = write(project / "pyproject.toml", "[tool.benchsuite]\ndata = 'p'\nrun = {precision = 'bf16'}\n")
    own = write(project.parent / "own" / "config.toml", "data = 'u'\ndevice = 'cpu'\n[run]\nprecision = 'fp32'\n")
    found = [(s.command, s.key, s.value) for s in read_settings([theirs, own])]
    assert found == [
        *(("run", "precision", "bf16"), ("", "data", "p")),
        *(("run", "precision", "fp32"), ("", "data", "u"), ("", "device", "cpu")),
    ]


KEY = st.from_regex(r"[a-z][a-z-]{0,4}", fullmatch=True)
VALUE = st.sampled_from(["1", "'x'", "[\n  1,\n  2,\n]", '"""\n[fake]\nkey = 1\n"""', "{a = 1}"])
TABLES = st.dictionaries(KEY, st.dictionaries(KEY, VALUE, max_size=4), min_size=1, max_size=4)


@given(TABLES, st.booleans(), st.data())
def test_the_line_of_a_value_is_where_it_begins(
    tables: dict[str, dict[str, str]], quoted: bool, data: st.DataObject
) -> None:
    """Beside a plain count of the lines that were written."""
    lines, where = list[str](), dict[tuple[str, ...], int]()
    for table, entries in tables.items():
        lines += ["# a comment", f'[ tool . "{table}" ]' if quoted else f"[tool.{table}]"]
        where["tool", table] = len(lines)
        for key, value in entries.items():
            where["tool", table, key] = len(lines) + 1
            lines += f"{key} = {value}".splitlines()
    text = "\n".join(lines)
    tomllib.loads(text)
    path = data.draw(st.sampled_from(sorted(where)))
    assert line_of(text, path) == where[path]
    assert line_of(text, (*path[:2], "no-such-key")) == where[path[:2]]
    assert line_of(text, ("other",)) is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[tool.benchsuite", "Expected a config file to be TOML in UTF-8, got "),
        (b"[tool.benchsuite]\n# \xff", "Expected a config file to be TOML in UTF-8, got "),
        (b"[tool]\nbenchsuite = 3", "Expected tool.benchsuite to be a table, got 3 ("),
        (b"tool = 'benchsuite'", "Expected tool.benchsuite to be a table, got benchsuite ("),
    ],
)
def test_damage_is_one_line_with_the_file(content: bytes, message: str, project: Path) -> None:
    file = project / "a" / "b" / "pyproject.toml"
    file.write_bytes(content)
    with pytest.raises(BenchsuiteError) as refused:
        read_settings([file])
    assert str(refused.value).startswith(message)
    assert str(refused.value).endswith("(pyproject.toml)")


def test_a_pyproject_without_the_table_is_not_parsed(project: Path) -> None:
    write(project / "pyproject.toml", "name = 'benchsuite'\n[tool.ruff]\nthis is [no TOML")
    assert config_files() == []


@pytest.mark.parametrize(
    "text",
    [
        *(
            "[tool.benchsuite]\na = 1",
            "[ tool . 'benchsuite' ]\na = 1",
            "tool.benchsuite.a = 1",
            '["tool"."benchsuite"]\na=1',
        ),
        *("[tool]\nbenchsuite.a = 1", "[ tool ]\nbenchsuite = {a = 1}", "tool = {benchsuite = {a = 1}}"),
    ],
)
def test_every_way_to_write_the_table_is_found(text: str, project: Path) -> None:
    write(project / "pyproject.toml", text)
    assert values(*config_files()) == {"a": 1}


def test_the_origin_is_relative_below_the_working_folder_and_full_elsewhere(project: Path) -> None:
    text = "[tool.benchsuite]\n\ndata = 'x'\n"
    below, above = write(project / "a" / "b" / "pyproject.toml", text), write(project / "pyproject.toml", text)
    assert [read_settings([file])[0].origin for file in (below, above)] == ["pyproject.toml:3", f"{above}:3"]
    (setting,) = read_settings([below])
    below.unlink()
    assert setting.origin == "pyproject.toml"
