"""Tests of the outputs in the docs: they are what the commands above them print."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import scripts
from page_commands import commands

from benchsuite.api.shown import Section

pytest.importorskip("duckdb", reason="the pages have a query: pip install 'benchsuite[query]'")
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def script() -> Any:
    return scripts.loaded("docs/transcripts.py")


PAGES = sorted(page for page in (ROOT / "docs").glob("*.md") if "\n$ benchsuite " in page.read_text(encoding="utf-8"))
WILD = {"RUN": r"\S+", "PATH": r"/data/\w+"}
"""Words of the README that stand for others."""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_outputs_of_the_pages_are_what_their_commands_print(
    page: Path, script: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """That of the examples takes longest: it evaluates some 100 runs, of 30 pictures."""
    again = f"python docs/transcripts.py {page} writes them again"
    assert script.main(["--check", str(page)]) == 0, f"{again}: {capsys.readouterr().out}"


def test_every_command_of_the_readme_is_on_the_page_of_examples_and_most_are_run() -> None:
    page = ROOT / "docs" / "examples.md"
    shown = list(commands(page))
    for command in commands(ROOT / "README.md"):
        pattern = re.sub("|".join(WILD), lambda found: WILD[found.group()], re.escape(command))
        assert [c for c in shown if re.fullmatch(pattern, c)] != [], f"{page.name} lacks {command}"
    text = page.read_text(encoding="utf-8")
    run = text.count("\n$ benchsuite ")
    assert run > 2 * (len(shown) - run)
    card = " " * 8  # deep in the model card, which is a file
    lines = [
        line for block in re.findall(r"^```console\n(\$.*?)^```$", text, re.M | re.S) for line in block.splitlines()
    ]
    assert [line for line in lines if len(line) > 80 and not line.startswith(("$ ", card))] == []


def test_what_differs_between_machines_is_replaced(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    text = f"12.3 s, 7 images/s, 1.5 MB in {tmp_path}/data, at 2026-01-02T03:04:05+00:00; 3 sets, 5 views"
    assert script.fixed(text) == "N s, N images/s, N MB in /data, at DATE; 3 sets, 5 views"


def test_a_table_is_as_wide_in_every_folder(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a", "a-much-longer-name-of-a-folder"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        with script.fixed_output():
            script.console.print_shown(Section("places", (["path", "time"], [[f"{tmp_path / name}/data", "3.5 s"]])))
    one, *other = capsys.readouterr().out.split("places")[1:]
    assert other == [one]
    assert "/data  N s" in one


def test_an_exit_status_of_1_is_printed(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "benchsuite", lambda words: 1)
    assert script.printed("benchsuite tables --check") == "(exit status 1)\n"


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
    assert text.startswith(rest + "```console\n$ benchsuite list loaders\n6 loaders\n")
    assert text.endswith(rest)
    assert "old" not in text


def test_a_command_that_fails_is_no_output(script: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ benchsuite show nothing\n```\n")
    with pytest.raises(RuntimeError, match="exit status 2: benchsuite show nothing"):
        script.main([str(page)])
