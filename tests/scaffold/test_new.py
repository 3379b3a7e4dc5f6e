"""Tests of ``benchsuite plugin new``: every kind is complete, is found, and passes its own checks as it is."""

from __future__ import annotations

import ast
import importlib
import importlib.resources
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from benchsuite import BenchsuiteError, load_plugins
from benchsuite.cli import main
from benchsuite.scaffold.new import LONGEST, USES, new_plugin
from benchsuite.testing.plugin import check_value

KINDS = tuple(USES)
FILES = ["README.md", "pyproject.toml", "tox.ini", ".gitignore", ".github/workflows/tests.yml"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_plugin_is_complete_and_keeps_its_contract(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"made-{kind}"
    made = new_plugin(name, kind, tmp_path)
    module = name.replace("-", "_")
    assert sorted(map(str, made.files)) == sorted([*FILES, f"{module}.py", f"tests/test_{module}.py"])
    project = tomllib.loads((made.folder / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["benchsuite"] == {name: module}
    texts = [(made.folder / file).read_text() for file in made.files]
    assert not any(word in text for text in texts for word in ("@NAME@", "@MODULE@", "@KIND@", "@USE@", "@VERSION@"))
    monkeypatch.syspath_prepend(made.folder)
    plugin = importlib.import_module(module)
    monkeypatch.delitem(sys.modules, module)
    catalog = load_plugins(entry_points=False, extra=[plugin])
    (key,) = [key for key, owner in catalog.owners.items() if owner.startswith(module)]
    assert key == ("protocol" if kind == "perturbation" else kind, name)
    monkeypatch.setitem(sys.modules, module, plugin)  # a perturbation is looked up by its module
    assert check_value(*key, catalog).passed


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", ["ab", "a" * LONGEST])
def test_no_line_is_too_long_whatever_the_name(kind: str, name: str, tmp_path: Path) -> None:
    made = new_plugin(name, kind, tmp_path)
    for file in made.files:
        text = (made.folder / file).read_text()
        assert max(map(len, text.splitlines())) <= 120, file
        if file.suffix == ".py":
            assert len([node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)]) <= 4
            assert text.count("\n") < 60


def test_the_command_says_what_it_wrote_and_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "new", "my-net", "--into", str(tmp_path)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"written to {tmp_path / 'my-net'}: pyproject.toml, README.md")
    assert out[2] == "to install it, check it, and run its tests"
    assert [line.split()[0] for line in out[4:]] == ["pip", "benchsuite", "pytest"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("My-Net", "lower-case letters, digits and single dashes, got My-Net"),
        ("my--net", "single dashes"),
        ("1net", "lower-case letters"),
        ("../net", "lower-case letters"),
        ("a" * 41, "at most 30"),
        ("class", "one that Python does not use itself, got class"),
        ("json", "one that Python does not use itself"),
        ("benchsuite", "one that Python does not use itself"),
    ],
)
def test_a_name_that_cannot_be_a_package_is_refused(name: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(BenchsuiteError) as caught:
        new_plugin(name, "architecture", tmp_path)
    assert said in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_exists_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "my-net").mkdir()
    assert main(["plugin", "new", "my-net", "--into", str(tmp_path)]) == 2
    assert "Expected the folder of a new plugin to be one that does not exist" in capsys.readouterr().err
    assert list((tmp_path / "my-net").iterdir()) == []


def test_every_kind_has_a_template_and_a_command() -> None:
    templates: Any = importlib.resources.files("benchsuite.scaffold") / "templates"
    assert {f"{kind}.py.txt" for kind in KINDS} <= {file.name for file in templates.iterdir()}
