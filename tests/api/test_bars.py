"""Tests of the bar in a notebook: one display that is updated, no widgets."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from benchsuite.api.bars import NotebookBar, bars, in_notebook


class ZMQInteractiveShell:
    """The shell of a kernel; only its name counts."""


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What a notebook would show, in order, with stand-ins for IPython's modules."""
    seen: list[str] = []
    handle = types.SimpleNamespace(update=seen.append)

    def display(value: str, display_id: bool) -> Any:
        assert not seen, "one call has one bar"
        seen.append(value)
        return handle

    shell, module = types.ModuleType("IPython"), types.ModuleType("IPython.display")
    monkeypatch.setattr(shell, "get_ipython", ZMQInteractiveShell, raising=False)
    monkeypatch.setattr(module, "display", display, raising=False)
    monkeypatch.setattr(module, "HTML", str, raising=False)
    monkeypatch.setitem(sys.modules, "IPython", shell)
    monkeypatch.setitem(sys.modules, "IPython.display", module)
    return seen


def test_a_notebook_gets_a_bar_that_is_updated(
    shown: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert in_notebook()
    bar = bars()
    assert isinstance(bar, NotebookBar)
    monkeypatch.setattr(NotebookBar, "PAUSE", 0.0)
    bar.note("a note")
    bar.start("evaluating <5> images", 10)
    bar.advance(4, "half")
    bar.advance(6)
    bar.stop()
    assert shown[0] == '<progress value="0" max="10"></progress> evaluating &lt;5&gt; images: 0 of 10'
    assert shown[1] == '<progress value="4" max="10"></progress> evaluating &lt;5&gt; images: 4 of 10, half'
    assert shown[-1].endswith("10 of 10")
    assert capsys.readouterr().out == "benchsuite: a note\n"


def test_no_more_updates_than_a_reader_sees(shown: list[str]) -> None:
    bar = bars()
    bar.start("evaluating", 1000)
    for _ in range(1000):
        bar.advance(1)
    assert len(shown) < 50
    bar.stop()
    bar.advance(1)
    assert shown[-1].endswith("1000 of 1000")


def test_the_next_task_has_the_same_line(shown: list[str]) -> None:
    bar = bars()
    bar.start("evaluating", 2)
    bar.advance(2)
    bar.start("measuring", 3)
    bar.stop()
    bar.stop()
    assert [text.partition("</progress> ")[2] for text in shown] == [
        "evaluating: 0 of 2",
        "evaluating: 2 of 2",
        "measuring: 0 of 3",
        "measuring: 0 of 3",
    ]


def test_a_terminal_is_no_notebook() -> None:
    assert not in_notebook()
    assert not isinstance(bars(), NotebookBar)
