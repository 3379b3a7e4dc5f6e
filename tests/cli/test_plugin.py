"""Tests of the command ``benchsuite plugin check``: exit status, names of defects, and how to mend them."""

from __future__ import annotations

import json

import pytest
from planted_defects import PLANTED, SOUND

from benchsuite import Catalog
from benchsuite.cli import main
from benchsuite.testing import DEFECTS


def install(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """The command finds one network in a plugin whose module is one of benchsuite's own."""
    architecture = SOUND if name == "sound" else PLANTED[name]
    key, owner = ("architecture", architecture.name), "benchsuite.plugins.resnet"
    catalog = Catalog(architectures={architecture.name: architecture}, owners={key: owner})
    monkeypatch.setattr("benchsuite.cli.plugin.load_plugins", lambda: catalog)


def test_a_sound_plugin_exits_with_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    install(monkeypatch, "sound")
    assert main(["plugin", "check", "planted"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "planted: all 2 checks passed"


def test_a_defect_exits_with_1_and_says_how_to_mend_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    install(monkeypatch, "dropout-left-on")
    assert main(["plugin", "check", "planted"]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "planted: 1 of 2 checks failed"
    assert ["architecture", "planted", "FAILED:", "dropout-left-on"] in [line.split() for line in out]
    problem, mend = out[-2:]
    assert problem.startswith("dropout-left-on: Expected the logits of an image to be the same for any seed")
    assert mend.strip() == DEFECTS["dropout-left-on"]


def test_json_has_every_finding(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    install(monkeypatch, "class-count")
    assert main(["plugin", "check", "planted", "--json"]) == 1
    record = json.loads(capsys.readouterr().out)
    assert record["passed"] is False
    assert [(f["subject"], f["defect"]) for f in record["findings"]] == [
        ("import of benchsuite.plugins.resnet", ""),
        ("architecture planted", "class-count"),
    ]
    assert record["findings"][1]["mend"] == DEFECTS["class-count"]


def test_an_unknown_plugin_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugin", "check", "ten_corp"]) == 2
    assert "did you mean 'ten_crop'?" in capsys.readouterr().err
