"""Tests of docs/families.md: it has every network, and the lines of a few are measured again."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import scripts

from benchsuite import load_plugins


@pytest.fixture(scope="module")
def script() -> Any:
    return scripts.loaded("benchmarks/families.py")


def test_the_page_has_a_line_for_each_of_more_than_twenty_families(script: Any) -> None:
    page = script.PAGE.read_text(encoding="utf-8")
    lines = page.partition(script.BEGIN)[2].partition(script.END)[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [line[0] for line in cells] == list(script.NETWORKS)
    assert len(cells) > 20
    for _, millions, preprocessing, difference, conformance, fullconv in cells:
        assert float(millions) > 0
        assert preprocessing.startswith("short side ")
        assert (difference, conformance) == ("0", "passed")
        assert fullconv == "a score map" or fullconv.startswith("refused: it")


def test_the_lines_of_a_few_networks_are_what_is_measured(script: Any, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("torchvision:squeezenet1_1", "timm:resnet10t", "timm:vit_tiny_patch16_224")
    assert script.main(["--check", *few]) == 0, capsys.readouterr().out


def test_another_preprocessing_has_other_pixels(script: Any) -> None:
    it = load_plugins(entry_points=False).architecture("torchvision:squeezenet1_1")
    assert script.largest_difference(it) == 0
    for change in ({"resize": 257}, {"interpolation": "bicubic"}, {"crop": 224, "mean": (0.485, 0.456, 0.407)}):
        changed = dataclasses.replace(it, preprocess=dataclasses.replace(it.preprocess, **change))
        assert script.largest_difference(changed) > 0.1
