"""Tests of the bar in a notebook: one display that is updated, no widgets."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

from benchsuite.api.bars import EVERY, HEIGHTS, Curve, NotebookBar, ProgressLines, bars, in_notebook


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


def test_a_curve_is_a_character_for_each_value_and_its_ends() -> None:
    curve = Curve("error in percent", [80.0, 40.0, 9.0, 0.0])
    assert curve.words(drawn=True) == "error in percent: █▅▁▁ 80.0 to 0.0"
    assert curve.words(drawn=False) == "error in percent: 80.0 to 0.0"
    assert Curve("error", [0.0, 0.0]).words(drawn=True) == "error: ▁▁ 0.0 to 0.0"
    assert len(Curve("e", [float(n) for n in range(500)]).words(drawn=True)) < 60


def test_a_log_file_has_one_line_for_each_point_and_no_others() -> None:
    lines = ProgressLines("training net", 40, start=10.0)
    lines.curve = "error"
    assert [lines.advance(1, "loss 1", 10.0 + EVERY * 2 * n) for n in range(20)] == [None] * 20
    assert lines.point(12.34, "epoch 1 of 2", 30.0) == "training net: epoch 1 of 2, error 12.3, about 20 s left"


def test_a_pipe_gets_a_line_for_each_point_without_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    drawn(4)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "benchsuite: training net"
    assert [line.partition(", about")[0] for line in lines[1:5]] == [
        f"benchsuite: training net: epoch {n + 1}, error in percent {80 / 2**n:.1f}" for n in range(4)
    ]
    assert lines[5:] == ["benchsuite: done"]


def test_a_terminal_draws_the_curve_below_the_bar_and_keeps_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("TERM", "xterm")
    drawn(4)
    text = capsys.readouterr().err
    curve = f"error in percent: {HEIGHTS[-1]}{HEIGHTS[4]}{HEIGHTS[2]}{HEIGHTS[1]} 80.0 to 10.0"
    assert text.rstrip("\n").endswith(f"{curve}\nbenchsuite: done")


def drawn(points: int) -> None:
    """A task with a curve that falls by half from point to point."""
    shown = bars()
    shown.start("training net", points)
    shown.curve("error in percent")
    for number in range(points):
        shown.advance(1)
        shown.point(80 / 2**number, f"epoch {number + 1}")
    shown.stop()
    shown.note("done")


def test_a_notebook_shows_the_curve_beside_the_bar(shown: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NotebookBar, "PAUSE", 0.0)
    drawn(3)
    assert shown[-1].endswith(f"3 of 3, error in percent: {HEIGHTS[-1]}{HEIGHTS[4]}{HEIGHTS[2]} 80.0 to 20.0")
