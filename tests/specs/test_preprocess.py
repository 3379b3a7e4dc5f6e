"""Tests of preprocessing as data, and of the views made from it."""

from __future__ import annotations

import dataclasses

from benchsuite import Crop, Preprocess, View, center, view
from benchsuite.specs.preprocess import with_overrides

BICUBIC = Preprocess(235, 224, "bicubic", (0.5,) * 3, (0.2,) * 3, antialias=False, long_side="round")


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
