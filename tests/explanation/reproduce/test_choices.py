"""Tests of open choices: what a source does not state, and which other protocols need no other views."""

from __future__ import annotations

import pytest

from benchsuite import Preprocess, load_plugins
from benchsuite.explanation import ledger
from benchsuite.explanation.protocol_factors import ProtocolContext
from benchsuite.explanation.reproduce.choices import OpenChoice, combinations, open_choices
from benchsuite.explanation.reproduction import label
from benchsuite.specs.parameters import Bound, finder

CATALOG = load_plugins(entry_points=False)
ROWS = {row.id: row for row in ledger.load()}
IMAGENET = Preprocess(256, 224, "bilinear", (0.0,) * 3, (1.0,) * 3)
CIFAR = Preprocess(32, 32, "bilinear", (0.0,) * 3, (1.0,) * 3)
CONTEXT = ProtocolContext(finder(CATALOG.protocols), IMAGENET, mirror=True)


def found(name: str, context: ProtocolContext = CONTEXT) -> tuple[Bound, dict[str, OpenChoice]]:
    row = ROWS[name]
    stated = CATALOG.protocol(label(CATALOG, row, context.preprocess))
    return stated, {choice.name: choice for choice in open_choices(row, stated, context)}


@pytest.mark.parametrize("name", ["fb-10crop-50-top1", "fb-1crop-50-top1", "tv-v1-50-top1", "wrn-t8-resnet-50-top1"])
def test_a_source_that_states_everything_leaves_nothing_open(name: str) -> None:
    assert found(name)[1] == {}


def test_the_multiscale_test_of_he_leaves_open_what_its_paper_does_not_say() -> None:
    stated, choices = found("he-t4-ms-resnet-50-top1")
    assert choices["merge"] == OpenChoice("merge", "prob", ("logit",), ())
    assert choices["flip"] == OpenChoice("flip", "true", ("false",), ())
    assert choices["average"] == OpenChoice("average", "equal", ("locations",), ())
    assert choices["spatial"] == OpenChoice("spatial", "mean", (), ("gap", "prob", "avgmax"))
    assert choices["interpolation"] == OpenChoice("interpolation", "bilinear", (), ("bicubic",))
    labels = combinations(tuple(choices.values()), stated, CONTEXT)
    assert labels[0] == stated.label == "multiscale"
    assert len(set(labels)) == 8
    assert "multiscale:average=locations,flip=false,merge=logit" in labels


def test_the_ten_crops_of_he_are_merged_as_he_says() -> None:
    stated, choices = found("he-t3-10c-resnet-50-top1")
    assert set(choices) == {"interpolation", "rounding"}
    assert combinations(tuple(choices.values()), stated, CONTEXT) == ("10crop",)


def test_no_combination_needs_a_view_that_the_stated_protocol_has_not() -> None:
    for row in ROWS.values():
        if row.architecture and row.dataset == "imagenet" and row.protocol in ("1crop", "10crop", "multiscale"):
            stated, choices = found(row.id)
            own = set(CONTEXT.views(stated))
            labels = combinations(tuple(choices.values()), stated, CONTEXT)
            bounds = [CATALOG.protocol(text) for text in labels]
            assert all(own.issuperset(CONTEXT.views(bound)) for bound in bounds), row.id
            assert len({(CONTEXT.views(bound), bound.combine) for bound in bounds}) == len(labels), row.id


def test_images_that_are_tested_at_their_own_size_leave_no_size_open() -> None:
    context = ProtocolContext(CONTEXT.find, CIFAR, mirror=True)
    assert found("aka-20", context)[1] == {}
    assert found("he-t6-20", context)[1] == {}


def test_a_choice_says_what_is_taken_and_what_else_is_counted() -> None:
    text = str(OpenChoice("flip", "true", ("false",), ()))
    assert text == "flip: true taken; false counted too"
    assert str(OpenChoice("resize", "256", (), ())) == "resize: 256 taken"
    assert "bicubic would need other views" in str(OpenChoice("interpolation", "bilinear", (), ("bicubic",)))
