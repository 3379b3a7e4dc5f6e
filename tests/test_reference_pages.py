"""Tests of docs/reference: its pages are what the code says, and what is drawn is what a protocol sees."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import scripts
from named_commands import parsers

from benchsuite import load_plugins
from benchsuite.explanation import ledger
from benchsuite.specs import hookspecs


@pytest.fixture(scope="module")
def script() -> Any:
    return scripts.loaded("docs/reference.py")


def test_the_pages_are_what_the_code_says(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert script.main(["--check"]) == 0, f"python docs/reference.py writes them again: {capsys.readouterr().out}"


def test_a_page_that_differs_or_is_no_longer_made_is_named_and_written_again(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(script.FOLDER, tmp_path / "reference")
    monkeypatch.setattr(script, "FOLDER", folder)
    (folder / "gone.md").write_text("old")
    (folder / "ledger.md").write_text("old")
    assert script.main(["--check"]) == 1
    assert capsys.readouterr().out == "reference/gone.md: differs\nreference/ledger.md: differs\n"
    assert script.main([]) == 0
    assert script.main(["--check"]) == 0
    assert not (folder / "gone.md").exists()


def test_no_hook_protocol_command_or_figure_is_missing(script: Any) -> None:
    pages = script.files()
    headings = {name: set(re.findall(r"^##+ (.+)$", text, flags=re.MULTILINE)) for name, text in pages.items()}
    assert {name for name in vars(hookspecs) if name.startswith("benchsuite_")} <= headings["hooks.md"]
    assert {"Architecture", "Protocol", "Recipe", "View", "Dataset"} <= headings["hooks.md"]
    assert headings["protocols.md"] == set(load_plugins(entry_points=False).protocols)
    assert {name for name, _ in parsers()} <= headings["commands.md"]
    assert re.findall(r"^\| `([^`]+)` \|", pages["ledger.md"], flags=re.MULTILINE) == [r.id for r in ledger.load()]
    for name, parser in parsers():
        section = re.split(rf"^##+ {name}$", pages["commands.md"], flags=re.MULTILINE)[1].partition("\n#")[0]
        words = set(re.findall(r"`(-[^` ]+)", section))
        assert {option for action in parser._actions for option in action.option_strings} - words == {"-h", "--help"}


def test_the_centre_crop_is_drawn_where_it_is(script: Any) -> None:
    """A short side of 256 of 500 x 375 pixels is 341 x 256; the crop begins at ((341 - 224) / 2, 16), drawn by half."""
    boxes = re.findall(
        r'x="([\d.]+)" y="([\d.]+)" width="([\d.]+)" height="([\d.]+)" class="(\w+)"', script.files()["1crop.svg"]
    )
    (*image, kind), (*view, seen) = boxes
    assert (kind, seen) == ("image", "view")
    left, top, *size = map(float, image)
    assert size == [170.5, 128]
    assert [float(v) for v in view] == [left + 58 / 2, top + 16 / 2, 112, 112]


def test_each_scale_is_drawn_in_an_image_of_its_own(script: Any) -> None:
    drawn = script.files()
    assert [drawn[f"{name}.svg"].count('class="image"') for name in ("10crop", "multiscale")] == [1, 5]
    assert drawn["10crop.svg"].count('class="view"') == 6, "the mirrored centre of an odd margin is a pixel apart"
