"""Tests of the pytest plugin: one test for each check, by setting or option; nothing happens without them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

TEST = "def test_it_keeps_its_contract(conformance):\n    conformance.check()\n"


def run_pytest(folder: Path, *words: str) -> tuple[int, str]:
    """Exit status and output of pytest in a new process, with only benchsuite's plugin."""
    (folder / "test_it.py").write_text(TEST)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", str(folder), *words]
    if not installed():
        command += ["-p", "benchsuite.testing.pytest_plugin"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def installed() -> bool:
    from importlib.metadata import entry_points

    return any(point.value == "benchsuite.testing.pytest_plugin" for point in entry_points(group="pytest11"))


def test_the_setting_names_the_plugin_and_each_value_is_a_test(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\nbenchsuite_plugin = ten_crop\n")
    status, out = run_pytest(tmp_path)
    assert status == 0, out
    assert "[import benchsuite.protocols.ten_crop] PASSED" in out
    assert "[protocol 10crop] PASSED" in out
    assert "2 passed" in out


def test_the_option_names_the_plugin_too_and_a_wrong_name_is_a_usage_error(tmp_path: Path) -> None:
    status, out = run_pytest(tmp_path, "--benchsuite-plugin", "ten_corp")
    assert status != 0
    assert "did you mean 'ten_crop'? (is it installed? pip install -e .)" in out


def test_without_a_name_the_error_says_what_to_set(tmp_path: Path) -> None:
    status, out = run_pytest(tmp_path)
    assert status != 0
    assert "Expected benchsuite_plugin in pytest's settings to be the name of a plugin, got none" in out


def test_a_failure_names_the_defect_and_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    from planted_defects import PLANTED

    from benchsuite import Catalog, PluginError
    from benchsuite.testing.pytest_plugin import Conformance

    planted = PLANTED["class-count"]
    catalog = Catalog(architectures={"planted": planted}, owners={("architecture", "planted"): "p"})
    monkeypatch.setattr("benchsuite.specs.catalog.load_plugins", lambda: catalog)
    with pytest.raises(PluginError, match=r"^class-count: Expected the output .*\. Pass num_classes of build"):
        Conformance("p", "architecture", "planted").check()
