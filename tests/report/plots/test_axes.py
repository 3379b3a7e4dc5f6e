"""Tests of scales, ticks and positions of labels."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.report.plots.axes import (
    Scale,
    apart,
    around,
    around_log,
    fit,
    log_ticks,
    minus,
    place,
    ticks,
    width,
    written,
)

values = st.floats(-1e6, 1e6, allow_nan=False)


def test_a_scale_leads_from_values_to_places() -> None:
    scale = Scale(10, 20, 100, 300)
    assert [scale(v) for v in (10, 15, 20)] == [100, 200, 300]
    log = Scale(1, 100, 0, 50, log=True)
    assert [log(v) for v in (1, 10, 100)] == pytest.approx([0, 25, 50])


@given(st.lists(values, min_size=1))
def test_an_axis_holds_all_of_its_values_and_is_never_empty(numbers: list[float]) -> None:
    low, high = around(numbers)
    assert low < min(numbers) <= max(numbers) < high


@given(st.lists(st.floats(1e-4, 1e6), min_size=1))
def test_a_logarithmic_axis_holds_all_of_its_values(numbers: list[float]) -> None:
    low, high = around_log(numbers)
    assert 0 < low < min(numbers) <= max(numbers) < high


def test_an_axis_of_nothing_is_drawn_all_the_same() -> None:
    low, high = around([math.inf, math.nan])
    assert low < 0 < 1 < high


@given(values, st.floats(1e-3, 1e6), st.integers(2, 9))
def test_ticks_are_round_even_and_within_the_axis(low: float, span: float, most: int) -> None:
    found = ticks(low, low + span, most)
    assert len(found) >= 2
    assert low - span * 1e-6 <= found[0] <= found[-1] <= low + span * (1 + 1e-6)
    steps = {round((b - a) / span, 6) for a, b in pairwise(found)}
    assert max(steps) - min(steps) < 1e-4
    assert len(found) <= most + 2


@given(st.floats(1e-4, 1e4), st.floats(1.01, 1e6), st.integers(2, 9))
def test_logarithmic_ticks_are_within_the_axis(low: float, factor: float, most: int) -> None:
    found = log_ticks(low, low * factor, most)
    assert len(found) >= 2
    assert low * (1 - 1e-9) <= found[0] < found[-1] <= low * factor * (1 + 1e-9)


@pytest.mark.parametrize(
    ("numbers", "texts"),
    [
        ([0.0, 5.0, 10.0], ["0", "5", "10"]),
        ([-0.5, 0.0, 0.5], ["−0.5", "0.0", "0.5"]),
        ([0.001, 0.01, 1.0], ["0.001", "0.010", "1.000"]),
        ([22.85, 22.9], ["22.85", "22.90"]),
    ],
)
def test_ticks_are_written_with_as_many_decimals_as_they_need(numbers: list[float], texts: list[str]) -> None:
    assert written(numbers) == texts


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("-1.40", "−1.40"),
        ("[-2.70, +0.10]", "[−2.70, +0.10]"),
        ("1.9e-11", "1.9e-11"),
        ("cifar10-jpeg, top-1", "cifar10-jpeg, top-1"),
        ("resnet-50", "resnet-50"),
    ],
)
def test_only_the_sign_of_a_number_becomes_a_minus(text: str, shown: str) -> None:
    assert minus(text) == shown


@given(st.text(max_size=60), st.floats(20, 400))
def test_a_text_that_is_cut_fits(text: str, room: float) -> None:
    cut = fit(text, room, 12)
    assert width(cut, 12) <= room or cut == "…"
    assert cut == text or cut.endswith("…")


def test_ideographs_are_wider_than_letters_and_accents_have_no_width() -> None:
    assert width("漢", 10) > width("a", 10)
    assert width("e\u0301", 10) == width("e", 10)


@given(st.lists(st.tuples(st.floats(0, 500), st.floats(0, 300)), max_size=25))
def test_no_label_lies_on_a_point_or_a_label_or_leaves_the_plot(points: list[tuple[float, float]]) -> None:
    labels = [f"protocol {i}" for i in range(len(points))]
    boxes = place(points, labels, 11, (0, 0, 500, 300))
    known = [box for box in boxes if box is not None]
    for i, (left, top, right, bottom) in enumerate(known):
        assert left >= 0
        assert top >= 0
        assert right <= 500
        assert bottom <= 300
        assert not any(left < x < right and top < y < bottom for x, y in points)
        for other in known[:i]:
            assert left >= other[2] or other[0] >= right or top >= other[3] or other[1] >= bottom


def test_a_lonely_point_has_its_label_beside_it() -> None:
    ((left, top, right, bottom),) = place([(100.0, 50.0)], ["1crop"], 11, (0, 0, 500, 300))  # type: ignore[misc]
    assert 100 < left < 115
    assert top < 50 < bottom
    assert right > left


def test_points_at_one_place_are_moved_apart_and_their_middle_stays() -> None:
    moved = apart([(100, 1), (100.2, 2), (100, 3), (200, 4)])
    assert [y for _, y in moved] == [1, 2, 3, 4]
    assert moved[3] == (200, 4)
    xs = [x for x, _ in moved[:3]]
    assert xs == sorted(xs)
    assert min(b - a for a, b in pairwise(xs)) > 5
    assert sum(xs) / 3 == pytest.approx(100, abs=0.2)
    crowd = [x for x, _ in apart([(100.0, 0.0)] * 60)]
    assert max(crowd) - min(crowd) <= 60
