"""Tests of ``benchsuite.new_plugin`` and ``benchsuite.check_plugin``."""

from __future__ import annotations

from pathlib import Path

import pytest
from planted_defects import PLANTED

import benchsuite
from benchsuite import Catalog, UnknownName
from benchsuite.testing import DEFECTS


def test_a_new_plugin_is_written_and_says_how_to_try_it(tmp_path: Path) -> None:
    made = benchsuite.new_plugin("my-net", into=tmp_path)
    assert made.folder == tmp_path / "my-net"
    assert all((made.folder / file).is_file() for file in made.files)
    assert all(command in repr(made) for command in made.commands)
    assert made.record["files"] == [str(file) for file in made.files]


def test_a_kind_that_does_not_exist_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown kind of plugin 'protocl': did you mean 'protocol'"):
        benchsuite.new_plugin("my-net", "protocl", into=tmp_path)
    assert not any(tmp_path.iterdir())


def test_a_defect_is_named_with_what_mends_it() -> None:
    planted = PLANTED["class-count"]
    key = ("architecture", planted.name)
    catalog = Catalog(architectures={planted.name: planted}, owners={key: "benchsuite.plugins.resnet"})
    found = benchsuite.check_plugin(planted.name, catalog=catalog)
    assert not found.passed
    assert found.table["defect"].tolist() == ["", "class-count"]
    assert repr(found).splitlines()[0] == f"{planted.name}: 1 of 2 checks failed"
    assert DEFECTS["class-count"] in repr(found)
