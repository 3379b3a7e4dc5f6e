"""Tests of comparing values with the declared types of their fields, and of calling the functions of a plugin."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import BadParameter, PluginError
from benchsuite.contract import call, fault_of, first_fault


@dataclass(frozen=True)
class Inner:
    """A value inside of another one."""

    size: int | tuple[int, int]
    scale: float = 1.0


@dataclass(frozen=True)
class Outer:
    """A field of each kind of type."""

    name: str
    inner: Inner
    several: tuple[Inner, ...] = ()
    pair: tuple[int, int] | None = None
    order: Literal["RGB", "BGR"] = "RGB"
    function: Callable[..., Any] | None = None
    flag: bool = False
    anything: Any = None


FINE = Inner(3)


@pytest.mark.parametrize(
    "value",
    [
        Outer("a", FINE),
        Outer("a", Inner((3, 4), 2), (FINE, FINE), (1, 2), "BGR", len, True, 3),
        Outer("a", FINE, function=Inner),
    ],
)
def test_values_of_the_declared_types_have_no_fault(value: Outer) -> None:
    assert first_fault(value) is None


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (Outer(3, FINE), ("name", "a text", "3")),  # type: ignore[arg-type]
        (Outer("a", (3, 4)), ("inner", "an Inner", "(3, 4)")),  # type: ignore[arg-type]
        (Outer("a", Inner("3")), ("inner.size", "a whole number or a tuple of whole numbers", "'3'")),  # type: ignore[arg-type]
        (Outer("a", Inner(True)), ("inner.size", "a whole number or a tuple of whole numbers", "True")),
        (Outer("a", Inner((1, 2, 3))), ("inner.size", "a whole number or a tuple of whole numbers", "(1, 2, 3)")),  # type: ignore[arg-type]
        (Outer("a", FINE, [FINE] * 9), ("several", "a tuple of Inner", "a list")),  # type: ignore[arg-type]
        (Outer("a", FINE, (FINE, 3)), ("several[1]", "an Inner", "3")),  # type: ignore[arg-type]
        (Outer("a", FINE, (FINE, Inner(1, "x"))), ("several[1].scale", "a number", "'x'")),  # type: ignore[arg-type]
        (Outer("a", FINE, pair=(1, "x")), ("pair[1]", "a whole number", "'x'")),  # type: ignore[arg-type]
        (Outer("a", FINE, order="rgb"), ("order", "one of RGB, BGR", "'rgb'")),  # type: ignore[arg-type]
        (Outer("a", FINE, function="len"), ("function", "a function or None", "'len'")),  # type: ignore[arg-type]
        (Outer("a", FINE, flag=1), ("flag", "True or False", "1")),  # type: ignore[arg-type]
    ],
)
def test_a_fault_names_the_place_the_rule_and_the_value(value: Outer, fault: tuple[str, str, str]) -> None:
    assert first_fault(value) == fault


@given(st.one_of(st.integers(), st.text(), st.none(), st.lists(st.integers()), st.booleans()))
def test_one_value_is_compared_as_in_its_class(value: Any) -> None:
    whole = first_fault(Outer(value, FINE))
    assert fault_of(value, Outer, "name") == whole
    assert (whole is None) == isinstance(value, str)


def test_what_a_function_returns_is_compared_and_its_errors_name_it() -> None:
    assert call("build of x", int, lambda a, *, b: a + b, 1, b=2) == 3
    with pytest.raises(PluginError, match=r"^Expected what build of x returns to be an int, got '3'$"):
        call("build of x", int, lambda: "3")
    with pytest.raises(PluginError, match=r"^Expected build of x to be without an error, got ZeroDivisionError: int"):
        call("build of x", int, lambda: 1 // 0)
    with pytest.raises(BadParameter, match=r"^worded$"):
        call("build of x", int, _refuses)
    with pytest.raises(MemoryError):
        call("build of x", int, _exhausted)


def _refuses() -> int:
    raise BadParameter("worded")


def _exhausted() -> int:
    raise MemoryError
