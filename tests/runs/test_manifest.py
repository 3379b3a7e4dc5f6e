"""Tests of the flat row of a run, as used by tables, reporters and ``--json``."""

import json

import pytest
from finished_runs import TORCHVISION, result
from scipy.stats import binomtest

from benchsuite.specs.preprocess import Preprocess, center
from benchsuite.specs.view import view_data

KEYS = [
    *("run_id", "path", "architecture", "weights", "protocol", "dataset", "n", "top1_errors", "top1_error"),
    *("top1_interval", "top5_errors", "top5_error", "views", "precision", "loader", "exact", "images_per_second"),
    *("seconds", "cached", "limit", "near_ties", "of", "resize", "crop", "interpolation"),
]


def test_a_row_is_flat_and_has_these_keys():
    row = result()
    assert list(row) == KEYS
    assert json.loads(json.dumps(row)) == row
    assert [k for k, v in row.items() if isinstance(v, dict)] == ["seconds", "near_ties"]


def test_counts_are_integers_and_errors_unrounded_percentages():
    row = result(errors=17, n=360)
    assert (row["n"], row["top1_errors"], row["top5_errors"]) == (360, 17, 5)
    assert row["top1_error"] == pytest.approx(100 * 17 / 360, rel=1e-15)
    assert row["top5_error"] == pytest.approx(100 * 5 / 360, rel=1e-15)
    low, high = binomtest(17, 360).proportion_ci(0.95, method="wilson")
    assert row["top1_interval"] == pytest.approx([100 * low, 100 * high], rel=1e-12)
    assert row["near_ties"] == {"top1": 2, "top5": 1, "tolerance": 1e-5}


def test_a_row_lists_the_sizes_that_its_views_use():
    views = [
        {**view_data(center(TORCHVISION)), "resize": size, "crop": None, "interpolation": how}
        for size, how in ((1000, "bicubic"), (224, "bilinear"), (640, "bilinear"), (224, "bilinear"))
    ]
    row = result(views=views)
    assert (row["views"], row["resize"], row["crop"]) == (4, [224, 640, 1000], [])
    assert row["interpolation"] == ["bicubic", "bilinear"]


def test_a_row_of_a_view_that_ignores_the_aspect_ratio():
    assert result(views=[view_data(center(Preprocess((32, 40), 32, "bilinear", (0.5,), (0.5,))))])["resize"] == [
        (32, 40)
    ]
