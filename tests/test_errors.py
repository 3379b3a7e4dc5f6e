"""Tests of the exception tree and the grammar of its messages."""

from __future__ import annotations

from fractions import Fraction

import pytest

from benchsuite import errors
from benchsuite.errors import (
    LONGEST,
    MANY,
    BenchsuiteError,
    ExpectationFailed,
    UnknownName,
    expected,
    first_line,
    unknown_name,
)

KINDS = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, Exception)]


@pytest.mark.parametrize("kind", KINDS)
def test_every_error_is_a_users_mistake_with_exit_status_2_or_an_expectation_with_1(
    kind: type[BenchsuiteError],
) -> None:
    assert issubclass(kind, BenchsuiteError)
    assert kind("one line").exit_status == (1 if kind is ExpectationFailed else 2)
    assert kind.__doc__


def test_the_grammar_says_what_rule_value_and_place() -> None:
    assert expected("crop", "at least 1", 0, "10crop:crop=0") == "Expected crop to be at least 1, got 0 (10crop:crop=0)"
    assert expected("crop", "at least 1", "none") == "Expected crop to be at least 1, got none"
    assert expected("crop", "at least 1", None) == "Expected crop to be at least 1, got None"
    assert expected("std", "at most 1", Fraction(9, 8)) == "Expected std to be at most 1, got 9/8"


def test_a_value_of_many_lines_still_makes_one_line() -> None:
    assert (
        expected("a file", "whole", "line 1\n\tline 2\n", "a\nb")
        == "Expected a file to be whole, got line 1 line 2 (a b)"
    )


@pytest.mark.parametrize(
    ("said", "line"),
    [("a\nhint", "a"), ("\n  b \nc", "b"), ("", "ValueError"), (" \n\t", "ValueError"), ("\u2028d\re", "d")],
)
def test_of_another_librarys_error_its_first_line_is_told_or_its_type(said: str, line: str) -> None:
    assert first_line(ValueError(said)) == line


@pytest.mark.parametrize(
    ("name", "near"),
    [("10corp", "10crop"), ("10CROP", "10crop"), ("resnet5O", "ResNet50"), ("multiscales", "multiscale")],
)
def test_an_unknown_name_suggests_the_nearest(name: str, near: str) -> None:
    error = unknown_name("protocol", name, ["10crop", "1crop", "multiscale", "ResNet50"])
    assert isinstance(error, UnknownName)
    assert str(error) == f"Unknown protocol {name!r}: did you mean {near!r}?"


def test_an_unknown_name_like_no_other_lists_what_is_known_once_and_sorted() -> None:
    assert str(unknown_name("loader", "zzz", ["torch", "ffcv", "torch"])) == "Unknown loader 'zzz': known: ffcv, torch"
    assert str(unknown_name("run", "x", [])) == "Unknown run 'x': known: none"


def test_a_hint_follows_the_suggestion() -> None:
    assert str(unknown_name("run", "abd", ["abc"], "(in runs)")).endswith("did you mean 'abc'? (in runs)")


def test_many_known_names_are_not_listed_but_for_those_with_a_word_of_the_unknown_one() -> None:
    known = [f"run-{i:02d}" for i in range(MANY + 1)]
    assert str(unknown_name("run", "zzz", known)) == f"Unknown run 'zzz': none of the {len(known)} known ones"
    assert str(unknown_name("run", "zzz", known[:MANY])).count("run-") == MANY
    some = [*known, "net-10crop-digits", "net-1crop-digits"]
    said = str(unknown_name("run", "digits", some))
    assert said.endswith(f"known: net-10crop-digits, net-1crop-digits, of {len(some)}")


def test_a_long_value_is_cut_in_a_message_and_a_text_is_not() -> None:
    assert len(expected("x", "short", list(range(1000)))) < LONGEST + 60
    assert expected("x", "short", "y" * 1000).endswith("y" * 1000)
