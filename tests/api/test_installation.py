"""Tests of ``benchsuite doctor``: what works, what is absent, and what fails."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import benchsuite
from benchsuite import Catalog, PluginError
from benchsuite.api.shell import installation
from benchsuite.cli import main
from benchsuite.specs.catalog import load_plugins

ROOT = Path(__file__).resolve().parents[2]


def states(found: installation.Installation) -> dict[tuple[str, str], str]:
    return {(trial.kind, trial.name): trial.state for trial in found.trials}


def test_what_works_is_fine_and_an_extra_that_is_absent_is_no_failure(
    isolated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (isolated / "cache" / "chunks").mkdir()
    (isolated / "cache" / "chunks" / "x.logits").write_bytes(b"x" * 1500)
    assert main(["doctor", "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    trials = {(trial["kind"], trial["name"]): trial for trial in record["trials"]}
    assert record["fine"]
    assert trials["loader", "torch"]["state"] == trials["device", "cpu"]["state"] == "fine"
    assert trials["package", "torch"]["state"] == "fine"
    assert trials["folder", "cache"]["detail"] == f"1.5 kB in {isolated / 'cache'} (BENCHSUITE_CACHE)"


def test_a_missing_package_a_broken_loader_and_a_broken_plugin_fail(
    isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    catalog = load_plugins(entry_points=False)

    def wrong(split: Any, samples: Any, then: Any, workers: int) -> Iterator[Any]:
        return iter(())

    broken = dataclasses.replace(catalog.loaders["torch"], images=wrong)
    catalog = dataclasses.replace(catalog, loaders={"torch": broken}, broken=(("my-net", "ImportError: no module"),))
    known = installation._version
    monkeypatch.setattr(installation, "_version", lambda name: None if name == "timm" else known(name))
    monkeypatch.setattr(installation, "load_plugins", lambda: catalog)
    assert main(["doctor"]) == 1
    first = capsys.readouterr().out.splitlines()[0]
    assert first == "Failed: package timm, plugin my-net, loader torch."


def test_a_plugin_that_makes_every_command_fail_is_a_line(
    isolated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = installation.load_plugins

    def failing(entry_points: bool = True) -> Catalog:
        if entry_points:
            raise PluginError("The hook of plugin my-net failed")
        return known(entry_points=False)

    monkeypatch.setattr(installation, "load_plugins", failing)
    assert main(["doctor", "--json"]) == 1
    trials = json.loads(capsys.readouterr().out)["trials"]
    assert ("installed", "FAILED", "The hook of plugin my-net failed") in [
        (t["name"], t["state"], t["detail"]) for t in trials if t["kind"] == "plugin"
    ]
    assert any(t["kind"] == "loader" and t["name"] == "torch" for t in trials)


def test_a_folder_that_cannot_be_written_fails(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (isolated / "file").touch()
    monkeypatch.setenv("BENCHSUITE_RESULTS", str(isolated / "file"))
    catalog = dataclasses.replace(load_plugins(entry_points=False), loaders={})
    assert states(benchsuite.check_installation(catalog=catalog))["folder", "results"] == "FAILED"


def test_every_extra_says_what_it_gives() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(installation.FEATURES) == {n for n in extras if n not in ("test", "dev", "docs")}
