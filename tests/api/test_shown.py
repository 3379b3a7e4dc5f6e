"""Tests of how results are shown: text and HTML with the answer first, tables that scroll, and what is below."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.api.auditing import Audit
from benchsuite.api.shown import Section, Shown
from benchsuite.report.tables.text import Table


@dataclass(frozen=True, repr=False)
class Answer(Shown):
    """A result with two sentences, a table, and a table below."""

    table: Table
    second: Table

    def lines(self) -> Sequence[str]:
        return ["the <answer>", "a remark"]

    def cells(self) -> Table:
        return self.table

    def below(self) -> Sequence[Shown]:
        return [Section("more", self.second)]


class Cells(HTMLParser):
    """The text of each cell, in order, and the elements that are still open at the end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.cells: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.cells += [""] if tag in ("td", "th") else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def test_a_result_that_is_made_of_its_record_needs_one() -> None:
    with pytest.raises(TypeError, match="record"):
        Audit()  # type: ignore[call-arg]


CELL = st.text(st.sampled_from("ab<>&\"' "), min_size=1, max_size=5)


@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n), min_size=2, max_size=4)))
def test_every_cell_is_in_the_html_once_and_nothing_is_left_open(rows: list[list[str]]) -> None:
    headers, *lines = rows
    parsed = Cells(Answer((headers, lines), ([], []))._repr_html_())
    assert parsed.cells == [cell for row in rows for cell in row]
    assert parsed.open == []


def test_the_answer_is_first_and_the_second_table_is_last() -> None:
    shown = Answer((["a", "b"], [["1", "22"]]), (["c"], [["3"]]))
    assert repr(shown).splitlines() == ["the <answer>", "  a  b", "  1  22", "a remark", "more", "  c", "  3"]
    html = shown._repr_html_()
    assert html.startswith("<p><b>the &lt;answer&gt;</b></p>")
    assert html.index("a remark") < html.index("more") < html.index(">3<")


def test_a_table_scrolls_in_its_cell_and_has_no_empty_head() -> None:
    html = Section("facts", (["", ""], [["speed", "3"]]))._repr_html_()
    assert '<div style="overflow-x:auto"><table>' in html
    assert "<thead>" not in html
    assert repr(Section("facts", (["", ""], [["speed", "3"]]))).splitlines() == ["facts", "  speed  3"]
    assert repr(Section("none", (["a"], []))) == "none"
