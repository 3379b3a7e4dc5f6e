"""Tests of the declared values: frozen, with small functions on them."""

from __future__ import annotations

import dataclasses

import pytest

from benchsuite.specs import architecture, dataset, loader, preprocess, protocol, recipe, reporter

MODULES = (architecture, dataset, loader, preprocess, protocol, recipe, reporter)
KINDS = [
    v
    for m in MODULES
    for v in vars(m).values()
    if isinstance(v, type) and dataclasses.is_dataclass(v) and v.__module__ == m.__name__
]


@pytest.mark.parametrize("kind", KINDS)
def test_every_spec_is_frozen_and_says_what_it_is(kind: type) -> None:
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")


def test_the_kinds_of_the_design_are_there() -> None:
    names = {kind.__name__ for kind in KINDS}
    assert {"Architecture", "Preprocess", "Protocol", "Dataset", "Loader", "Recipe", "Reporter"} <= names
