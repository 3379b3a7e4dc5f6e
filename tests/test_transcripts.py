"""Tests of the outputs in the docs: they are what the commands above them print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import scripts

pytest.importorskip("duckdb", reason="the pages have a query: pip install 'benchsuite[query]'")
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def script() -> Any:
    return scripts.loaded("docs/transcripts.py")


def test_the_outputs_of_the_pages_are_what_their_commands_print(
    script: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert script.main(["--check"]) == 0, f"python docs/transcripts.py writes them again: {capsys.readouterr().out}"


def test_the_commands_of_the_tutorial_are_run(script: Any) -> None:
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    run = {
        words[1]
        for block in script.BLOCK.findall(page)
        for words in map(str.split, block.splitlines())
        if words[:1] == ["$"]
    }
    assert run == {"benchsuite"}
    assert len(re.findall(r"^\$ benchsuite ", page, flags=re.MULTILINE)) >= 7


def test_another_output_is_noticed_and_replaced_and_other_blocks_are_left(
    script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, rest = tmp_path / "page.md", "```console\nbenchsuite run resnet50\n```\n"
    page.write_text(f"{rest}```console\n$ benchsuite list loaders\nold\n\n$ benchsuite list reporters\n```\n{rest}")
    assert script.main(["--check", str(page)]) == 1
    assert "old" in page.read_text()
    assert script.main([str(page)]) == 0
    assert script.main(["--check", str(page)]) == 0
    assert capsys.readouterr().out == "page.md: differs\npage.md: written\n"
    text = page.read_text(encoding="utf-8")
    assert text.startswith(rest + "```console\n$ benchsuite list loaders\n3 loaders\n")
    assert text.endswith(rest)
    assert "old" not in text


def test_a_command_that_fails_is_no_output(script: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ benchsuite show nothing\n```\n")
    with pytest.raises(RuntimeError, match="exit status 2: benchsuite show nothing"):
        script.main([str(page)])
