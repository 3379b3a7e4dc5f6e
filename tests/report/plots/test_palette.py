"""Tests of the colours of protocols: seen on both pages, told apart by the colour-blind, the same in every report."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import load_plugins
from benchsuite.report.plots.palette import DARK, LIGHT, Style, name, palette

SHIPPED = ("1crop", "10crop", "ensemble", "fullconv", "multicrop", "multiscale", "tta")

VISIONS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}
"""How linear RGB is seen by people with all cones, or without one kind. Machado et al. 2009, severity 1."""


def linear(colour: str) -> np.ndarray:
    """Linear RGB in 0..1 of a colour as ``#rrggbb``."""
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def oklab(rgb: np.ndarray) -> np.ndarray:
    """Linear RGB in Oklab, where distances are as large as they look; black and white are 1 apart. Ottosson 2020."""
    lms = np.array(
        [
            [0.41222147, 0.53633254, 0.05144599],
            [0.2119035, 0.68069955, 0.10739696],
            [0.08830246, 0.28171884, 0.6299787],
        ]
    )
    lab = np.array(
        [
            [0.21045426, 0.79361779, -0.00407205],
            [1.9779985, -2.42859221, 0.45059371],
            [0.02590404, 0.78277177, -0.80867577],
        ]
    )
    return lab @ np.cbrt(lms @ rgb.clip(0, 1))


@pytest.mark.parametrize(("colours", "back"), [(LIGHT, "#ffffff"), (DARK, "#15171b")])
def test_every_mark_stands_out_from_its_page(colours: tuple[str, ...], back: str) -> None:
    def luminance(colour: str) -> float:
        return float(linear(colour) @ [0.2126, 0.7152, 0.0722])

    for colour in colours:
        low, high = sorted((luminance(colour), luminance(back)))
        assert (high + 0.05) / (low + 0.05) >= 3, f"{colour}: WCAG 2.2, 1.4.11"


@pytest.mark.parametrize("colours", [LIGHT, DARK])
@pytest.mark.parametrize("vision", VISIONS)
def test_people_who_lack_a_kind_of_cone_tell_all_colours_apart(colours: tuple[str, ...], vision: str) -> None:
    seen = [oklab(np.array(VISIONS[vision]) @ linear(colour)) for colour in colours]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 0.11


def test_protocols_that_ship_have_colours_of_their_own_in_every_report() -> None:
    assert set(SHIPPED) <= set(load_plugins(entry_points=False).protocols)
    alone = {one: palette([one])[one] for one in SHIPPED}
    assert len({style.colour for style in alone.values()}) == len(SHIPPED)
    assert {style.fill for style in alone.values()} == {0}
    for size in (2, 5, len(SHIPPED)):
        for some in itertools.combinations(SHIPPED, size):
            assert palette(some) == {one: alone[one] for one in some}


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8), max_size=40), st.randoms(use_true_random=False))
def test_styles_depend_on_names_alone_and_are_shared_only_by_more_than_24(names: list[str], random: object) -> None:
    made = palette(names)
    assert set(made) == {name(protocol) for protocol in names}
    mixed = list(names)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    assert palette(mixed) == made
    assert len(set(made.values())) == min(len(made), 24)
    if len(made) <= 8:
        assert {style.fill for style in made.values()} <= {0}


def test_parameters_do_not_change_the_colour_and_more_protocols_than_colours_differ_in_their_fill() -> None:
    assert palette(["multicrop:grid=3", "multicrop:grid=5"]) == palette(["multicrop"])
    many = palette([f"p{i}" for i in range(20)])
    assert {style.fill for style in many.values()} == {0, 1, 2}
    assert Style(3, 1).cls == "p3 hollow"
