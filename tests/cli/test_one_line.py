"""Tests of lines that were typed wrong: over all parsers, one line on standard error and exit status 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from named_commands import parsers

from benchsuite.cli import main

PARSERS = dict(parsers())


def message(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(words)
    assert stopped.value.code == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.count("\n") == 1
    assert written.err.startswith("benchsuite: ")
    return written.err


def needed(command: str) -> list[str]:
    """As many words as the arguments that the command needs, and its required options."""
    actions = PARSERS[command]._actions
    words = ["x" for a in actions if not a.option_strings and a.nargs not in ("?", "*")]
    return words + [word for a in actions if a.option_strings and a.required for word in (a.option_strings[-1], "x")]


@pytest.mark.parametrize("command", PARSERS)
def test_an_unknown_option_is_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--no-such-option" in message([*command.split(), *needed(command), "--no-such-option"], capsys)


@pytest.mark.parametrize("command", [name for name in PARSERS if needed(name)])
def test_a_missing_argument_is_one_line(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "required" in message(command.split(), capsys)


CASES = [
    (command, action.option_strings[-1])
    for command, parser in PARSERS.items()
    for action in parser._actions
    if action.option_strings and (action.type in (int, float) or action.choices)
]
VALUED = [
    (command, action.option_strings[-1])
    for command, parser in PARSERS.items()
    for action in parser._actions
    if action.option_strings and action.nargs is None
]


@pytest.mark.parametrize(("command", "option"), CASES)
def test_a_bad_value_is_one_line(command: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "wrong" in message([*command.split(), *needed(command), option, "wrong"], capsys)


@pytest.mark.parametrize(("command", "option"), VALUED)
def test_a_missing_value_is_one_line(command: str, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert option in message([*command.split(), *needed(command), option], capsys)


@pytest.mark.parametrize("words", [[], ["lst"], ["data"], ["data", "chek"], ["plugin", "nw"], ["cache"]])
def test_a_wrong_or_missing_command_is_one_line(
    words: list[str], isolated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    message(words, capsys)
