"""Tests of tables of errors by groups: rounded from counts, with sums of lines and columns."""

from __future__ import annotations

from typing import Any

from finished_runs import result

from benchsuite.report.tables.group_errors import group_sheets, group_table
from benchsuite.report.tables.text import relative_words


def row(names: list[str], *groups: tuple[Any, ...], **changes: Any) -> dict[str, Any]:
    """A result with these groups: values, number of images, top-1 errors."""
    found = []
    for *values, n, wrong in groups:
        found.append({**dict(zip(names, values, strict=True)), "n": n, "top1_errors": wrong, "top5_errors": 0})
    return result() | {"group_names": names, "groups": found} | changes


def test_two_groups_are_lines_and_columns_and_what_is_missing_is_empty() -> None:
    names = ["corruption", "severity"]
    found = group_table(row(names, ("fog", "1", 10, 1), ("fog", "2", 30, 9), ("snow", "2", 10, 5)))
    assert found == (
        ["corruption", "images", "severity 1", "severity 2", "top-1 error %"],
        [
            ["fog", "40", "10.00", "30.00", "25.00"],
            ["snow", "10", "", "50.00", "50.00"],
            ["all", "50", "10.00", "35.00", "30.00"],
        ],
    )


def test_one_group_is_a_column_and_a_third_is_added_up() -> None:
    assert group_table(row(["light"], ("day", 10, 1), ("night", 10, 2)))[1][:2] == [
        ["day", "10", "10.00"],
        ["night", "10", "20.00"],
    ]
    names = ["a", "b", "c"]
    headers, lines = group_table(row(names, ("x", "y", "1", 10, 1), ("x", "y", "2", 10, 2), ("x", "z", "1", 5, 0)))
    assert headers == ["a", "images", "b y", "b z", "top-1 error %"]
    assert lines[0] == ["x", "25", "15.00", "0.00", "12.00"]


def test_a_result_without_groups_has_no_table() -> None:
    assert group_table(result()) == ([], [])
    assert list(group_sheets([result()])) == []


def test_a_sheet_has_the_numbers_and_the_relative_error() -> None:
    relative = {"name": "mCE", "by": "light", "cells": 1, "source": "AlexNet", "value": 76.704, "missing": []}
    (sheet,) = group_sheets([result(), row(["light"], ("day", 10, 1), relative_error=relative)])
    assert sheet.remarks == ("mCE 76.70 % (relative to AlexNet)",)
    assert sheet.title.endswith("by light")
    assert [cell.value for cell in sheet.rows[0]] == [None, 10.0, 10.0]


def test_a_relative_error_that_is_not_known_says_what_it_lacks() -> None:
    relative = {"name": "mCE", "by": "corruption", "cells": 5, "source": "AlexNet", "value": None}
    assert relative_words(relative | {"missing": ["fog"]}) == "mCE needs 5 groups of each corruption, which fog lack"
    assert relative_words(relative | {"missing": ["fog", "snow", "frost"]}).endswith("which fog and 2 more lack")
