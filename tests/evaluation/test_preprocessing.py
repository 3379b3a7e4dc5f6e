"""Tests of the preprocessing in words: what a manifest records, and what is said of older manifests."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from benchsuite import Crop, Preprocess, View, load_plugins
from benchsuite.evaluation.preprocessing import SIZES, of_manifest, own_input
from benchsuite.specs.preprocess import center
from benchsuite.specs.view import view_data

P = Preprocess(256, 224, "bilinear", (0.5, 0.4, 0.3), (0.2, 0.2, 0.2))
WORDS = "short side 256, crop 224, bilinear, RGB from 0 to 1, mean 0.5 0.4 0.3, std 0.2 0.2 0.2"


def member(*views: View, **changes: Any) -> dict[str, Any]:
    return {
        "architecture": "net",
        "weights": {"label": "V1", "key": "net:V1:https://a.org/net.pth"},
        "preprocess": dataclasses.asdict(P),
        "views": [view_data(v) for v in views or (center(P),)],
        **changes,
    }


def said(*members: dict[str, Any]) -> list[str]:
    return of_manifest(json.loads(json.dumps({"members": members, "dataset": {"name": "cifar10"}})))


def test_the_source_is_that_of_the_manifest_and_the_networks_own_transform_is_named() -> None:
    assert said(member(preprocess_from="the user")) == [f"{WORDS}; from the user"]
    own = member(preprocess_from="the file", own_input="the network subtracts a mean itself")
    assert said(own) == [f"{WORDS}; the network subtracts a mean itself; from the file"]


@pytest.mark.parametrize(
    ("label", "key", "source"),
    [
        ("V1", "net:V1:https://a.org/net.pth", "from the declared weights V1"),
        ("V1, smooth:rho=1", "net:V1:https://a.org/net.pth, smooth:rho=1 of x", "from the declared weights V1"),
        ("trained here (digits-1)", "0123", "from the usual one of cifar10"),
        ("random (seed 0)", "random:0", "source not recorded"),
        ("a.pth", "f" * 64, "source not recorded"),
    ],
)
def test_of_an_older_manifest_the_source_is_derived_or_said_to_be_unknown(label: str, key: str, source: str) -> None:
    assert said(member(weights={"label": label, "key": key})) == [f"{WORDS}; {source}"]


def test_sizes_of_the_protocol_are_said_where_they_are_not_those_of_the_weights() -> None:
    base = f"{WORDS}; from the declared weights V1{SIZES}"
    assert said(member(View(288, Crop(224)))) == [f"{base}short side 288, crop 224"]
    dense = (View(s, dense=True, nominal=224) for s in (224, 256))
    assert said(member(*dense)) == [f"{base}short side 224+256, no crop"]
    other = View((99, 99), Crop(64), interpolation="bicubic", antialias=False)
    assert said(member(other)) == [f"{base}short side 99x99, crop 64, bicubic without antialiasing"]


def test_an_ensemble_has_a_text_for_each_way_and_a_training_that_of_its_recipe() -> None:
    other = member(preprocess=dataclasses.asdict(dataclasses.replace(P, channel_order="BGR")))
    assert len(said(member(), other)) == 2
    assert len(said(member(), member())) == 1
    assert of_manifest({"recipe": {"preprocess": dataclasses.asdict(P)}}) == [f"{WORDS}; from the recipe"]
    assert of_manifest({"dataset": {"name": "x"}}) == []


def test_the_networks_own_part_follows_the_options_that_it_is_built_with() -> None:
    catalog = load_plugins(entry_points=False)
    assert own_input(catalog.architecture("resnet20")) == ""
    mean = "the network subtracts a mean for each pixel itself (pixel_mean)"
    assert own_input(catalog.architecture("resnet20:pixel_mean=true")) == mean
    assert own_input(catalog.architecture("resnet20"), (("pixel_mean", True),)) == mean
    assert own_input(catalog.architecture("resnet18")) == ""
