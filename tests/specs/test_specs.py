"""The declared values: frozen, and small functions on them."""

from __future__ import annotations

import dataclasses

import pytest

from benchsuite import BadParameter, Crop, Family, Input, Preprocess, View, center, view
from benchsuite.specs import architecture, dataset, loader, preprocess, protocol, recipe, reporter
from benchsuite.specs.catalog import check_name
from benchsuite.specs.preprocess import with_overrides

BICUBIC = Preprocess(235, 224, "bicubic", (0.5,) * 3, (0.2,) * 3, antialias=False, long_side="round")
MODULES = (architecture, dataset, loader, preprocess, protocol, recipe, reporter)
KINDS = [v for m in MODULES for v in vars(m).values() if dataclasses.is_dataclass(v) and v.__module__ == m.__name__]


@pytest.mark.parametrize("kind", KINDS)
def test_every_spec_is_frozen_and_says_what_it_is(kind: type) -> None:
    assert kind.__dataclass_params__.frozen
    assert "__slots__" in vars(kind)
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")


def test_the_kinds_of_the_design_are_there() -> None:
    names = {kind.__name__ for kind in KINDS}
    assert {"Architecture", "Preprocess", "Protocol", "Dataset", "Loader", "Recipe", "Reporter"} <= names


def test_a_view_at_another_size_keeps_the_resampling_of_the_weights() -> None:
    made = view(BICUBIC, 480, dense=True, nominal=224, flip=True)
    assert made == View(
        480, flip=True, dense=True, nominal=224, interpolation="bicubic", antialias=False, long_side="round"
    )


def test_center_is_the_view_that_the_weights_were_published_with() -> None:
    assert center(BICUBIC) == View(235, Crop(224), interpolation="bicubic", antialias=False, long_side="round")
    whole = dataclasses.replace(BICUBIC, resize=(224, 224))
    assert center(whole).resize == (224, 224)


def test_overrides_change_what_they_name_alone() -> None:
    changed = with_overrides(BICUBIC, (("crop", 192), ("interpolation", "nearest")))
    assert changed == dataclasses.replace(BICUBIC, crop=192, interpolation="nearest")
    assert with_overrides(BICUBIC, ()) == BICUBIC


def test_a_family_is_listed_by_its_prefix() -> None:
    assert Family("timm", resolve=lambda name: None, names=lambda: ()).name == "timm:NAME"  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("name", ["resnet50", "resnet50.v1", "1crop", "fashion-mnist", "IMAGENET1K_V2"])
def test_a_name_that_can_be_typed_is_legal(name: str) -> None:
    check_name("architecture", name, "a test")


@pytest.mark.parametrize(
    "name", ["", "a b", "a:b", "a,b", "-a", ".hidden", "../up", "a/b", "naïve", "a\n", "a=b", "(a)"]
)
def test_a_name_that_cannot_be_typed_or_stored_is_refused(name: str) -> None:
    with pytest.raises(BadParameter, match="Expected the name of a protocol to be letters, digits") as caught:
        check_name("protocol", name, "plugin x")
    assert str(caught.value).endswith("(plugin x)")
    assert "\n" not in str(caught.value)


def test_a_network_takes_colour_images_of_any_size_unless_it_says_otherwise() -> None:
    assert Input() == Input(channels=3, fixed=False)
