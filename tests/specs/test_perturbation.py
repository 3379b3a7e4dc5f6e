"""Tests of perturbations as values: their functions are kept as text, and survive JSON."""

from __future__ import annotations

import dataclasses
import json
from fractions import Fraction
from typing import Any

import pytest
import spoiled_perturbations
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import BadParameter, Perturbation
from benchsuite.specs.perturbation import (
    decimal,
    describe_perturbation,
    perturbation_data,
    perturbation_from_data,
    short_names,
)

P = Perturbation("darker", spoiled_perturbations.darker, (("r", Fraction(12)), ("rule", "le")))


def local(x: Any, batch: Any) -> Any:
    return x


def test_functions_are_kept_as_text_and_found_again() -> None:
    assert P.change == "spoiled_perturbations:darker"
    assert P.function() is spoiled_perturbations.darker
    assert dataclasses.replace(P, change="spoiled_perturbations:darker") == P
    with_reference = dataclasses.replace(P, reference=spoiled_perturbations.darker_reference)
    assert with_reference.function("reference") is spoiled_perturbations.darker_reference
    assert P.keywords == {"r": Fraction(12), "rule": "le"}


def test_a_perturbation_is_frozen_and_can_be_a_key() -> None:
    assert {P: 1}[dataclasses.replace(P)] == 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        P.name = "other"  # type: ignore[misc]


VALUES = st.one_of(st.integers(), st.fractions(), st.booleans(), st.sampled_from(["le", "zero", ""]))


@given(st.dictionaries(st.text("abc", min_size=1), VALUES))
def test_parameters_are_the_same_after_json(given_: dict[str, Any]) -> None:
    p = dataclasses.replace(P, parameters=tuple(given_.items()))
    data = json.loads(json.dumps(perturbation_data(p)))
    again = perturbation_from_data(data)
    assert again == p
    assert [type(v) for _, v in again.parameters] == [type(v) for _, v in p.parameters]


def test_the_data_is_plain_and_fractions_are_texts() -> None:
    p = dataclasses.replace(P, parameters=(("eps", Fraction(8, 255)), ("steps", 10), ("start", "zero")))
    assert perturbation_data(p) == {
        "name": "darker",
        "change": "spoiled_perturbations:darker",
        "parameters": {"eps": "8/255", "steps": 10, "start": "zero"},
        "needs": "pixels",
        "on": "crop",
        "reference": "",
        "revision": 0,
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "darker r=12, rule=le"),
        ({"on": "image"}, "darker of the whole image r=12, rule=le"),
        ({"parameters": ()}, "darker"),
        ({"parameters": (("eps", Fraction(8, 255)), ("steps", 10))}, "darker eps=8/255, steps=10"),
        ({"parameters": (("r", Fraction(3, 8)), ("deep", True))}, "darker r=0.375, deep=true"),
    ],
)
def test_a_perturbation_is_described_as_it_is_typed(changes: dict[str, Any], words: str) -> None:
    assert describe_perturbation(dataclasses.replace(P, **changes)) == words


@given(st.fractions())
def test_a_fraction_is_typed_so_that_it_is_read_as_itself(value: Fraction) -> None:
    assert Fraction(decimal(value)) == value


@pytest.mark.parametrize(
    ("value", "text"), [("12", "12"), ("12.50", "12.5"), ("0", "0"), ("100", "100"), ("1/3", "1/3"), ("8/255", "8/255")]
)
def test_a_fraction_is_a_decimal_number_if_that_is_exact(value: str, text: str) -> None:
    assert decimal(Fraction(value)) == text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"needs": "labels"}, "Expected needs to be one of pixels, ids, gradient, got labels"),
        ({"on": "view"}, "Expected on to be one of crop, image, got view"),
        (
            {"needs": "gradient", "on": "image"},
            "Expected on of darker to be crop, as the network sees crops, got image",
        ),
        ({"change": ""}, "Expected change of darker to be written package.module:function, got nothing"),
        ({"change": "darker"}, "Expected change of darker to be written package.module:function, got darker"),
        ({"change": lambda x, batch: x}, "a function of a module, which other processes can import"),
        ({"change": 3}, "Expected change of darker to be a function of a module"),
        ({"reference": "a b:c"}, "Expected reference of darker to be written package.module:function, got a b:c"),
        (
            {"parameters": (("r", 0.5),)},
            "Expected the parameter r of darker to be a whole number, a fraction, a text, true or false, got 0.5",
        ),
        ({"parameters": (("r", None),)}, "got None"),
    ],
)
def test_what_cannot_be_is_one_line(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(BadParameter) as caught:
        dataclasses.replace(P, **changes)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("no_such_module:change", "got no_such_module:change: No module named 'no_such_module'"),
        ("spoiled_perturbations:no_such", "got spoiled_perturbations:no_such: module"),
    ],
)
def test_a_function_that_is_gone_is_named(place: str, said: str) -> None:
    with pytest.raises(BadParameter, match="Expected change of darker to be a function of a module") as caught:
        dataclasses.replace(P, change=place).function()
    assert said in str(caught.value)


def test_no_reference_is_named_too() -> None:
    with pytest.raises(BadParameter, match="Expected reference of darker to be a function of a module, got nothing"):
        P.function("reference")


def test_short_names_have_the_numbers_alone_unless_that_is_not_enough() -> None:
    other = dataclasses.replace(P, parameters=(("r", Fraction(1, 3)), ("rule", "lt")))
    plain = Perturbation("darker", spoiled_perturbations.darker, (("rule", "lt"), ("strong", True), ("times", 2)))
    assert short_names([P, other, plain]) == ("darker r=12", "darker r=1/3", "darker times=2")
    twin = dataclasses.replace(P, parameters=(("r", Fraction(12)), ("rule", "lt")))
    assert short_names([P, twin, plain]) == ("darker r=12, rule=le", "darker r=12, rule=lt", "darker times=2")
    assert short_names([]) == ()
