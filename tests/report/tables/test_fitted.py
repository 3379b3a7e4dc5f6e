"""Tests of text that fits a width: no line is wider, no word is lost, and a command stays one command."""

from __future__ import annotations

import shlex

from hypothesis import given, settings
from hypothesis import strategies as st

from benchsuite.report.tables.fitted import fitted, wrapped

WORDS = st.lists(st.text("abcdefgh", min_size=1, max_size=9), max_size=8).map(" ".join)


TABLES = st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(WORDS, min_size=n, max_size=n), min_size=2, max_size=5))


def letters(text: str) -> list[str]:
    return sorted(c for c in text if c.isalpha())


@settings(max_examples=40)
@given(TABLES, st.integers(20, 90))
def test_a_table_fits_any_width_and_loses_no_letter(rows: list[list[str]], width: int) -> None:
    headers, *cells = rows
    lines = list(fitted((headers, cells), width, rule="_"))
    assert max(map(len, lines), default=0) <= width
    shown = "".join("".join(row) for row in (rows if "_" in "".join(lines) else cells))
    assert set(letters(shown)) <= set(letters("".join(lines)))
    if "_" in "".join(lines):
        assert letters("".join(lines)) == letters(shown)


def test_a_table_is_as_wide_as_its_cells_where_there_is_room() -> None:
    table = ["n", "words"], [["1", "some words"], ["22", "x"]]
    assert list(fitted(table, 40)) == ["n   words", "─" * 14, "1   some words", "22  x"]
    assert list(fitted(table, 40, numbers=True)) == ["n        words", "─" * 14, "1   some words", "22           x"]


def test_the_widest_column_wraps_where_there_is_none() -> None:
    assert list(fitted((["n", "words"], [["1", "some more words"]]), 12)) == [
        "n  words",
        "─" * 12,
        "1  some more",
        "   words",
    ]


def test_a_table_that_cannot_fit_is_a_paragraph_for_each_row() -> None:
    table = ["first", "second", "third"], [["longest-word", "another-word", "third-word"], ["a", "", "c"]]
    lines = ["first: longest-word", "  second: another-word", "  third: third-word", "first: a", "  third: c"]
    assert list(fitted(table, 24)) == lines


def test_no_row_is_no_line() -> None:
    assert list(fitted((["a"], []), 20)) == []


@settings(max_examples=40)
@given(st.lists(st.text("az09:=,-", min_size=1, max_size=12), max_size=12), st.integers(30, 90))
def test_a_command_can_be_copied_from_its_lines(words: list[str], width: int) -> None:
    command = ["benchsuite", "explain", *words]
    *_, text = "\n".join(wrapped(f"to see more: {' '.join(command)}", width)).partition("to see more:")
    assert shlex.split(text.replace("\\\n", "")) == command
    assert max(map(len, text.splitlines())) <= width


def test_a_sentence_keeps_its_indent() -> None:
    assert wrapped("  one two three four five", 20) == ["  one two three four", "    five"]
