"""How a published figure is measured again, in the protocol of its source."""

from __future__ import annotations

import pytest
from toys import ToyPlugin

from benchsuite import Preprocess, load_plugins
from benchsuite.explanation import ledger
from benchsuite.explanation.protocol_factors import ProtocolContext, factors_of
from benchsuite.explanation.reproduction import label, ladder_command, run_command
from benchsuite.specs.parameters import bind, finder

CATALOG = load_plugins(entry_points=False, extra=[ToyPlugin()])
ROWS = {row.id: row for row in ledger.load()}
USUAL = Preprocess(256, 224, "bilinear", (0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("he-gh-1c-resnet-50-top1", "1crop"),
        ("he-gh-10c-resnet-50-top1", "10crop"),
        ("he-t4-ms-resnet-50-top1", "multiscale"),
        ("fb-1crop-50-top1", "1crop:interpolation=bicubic,rounding=ceil"),
        ("fb-10crop-50-top1", "10crop:interpolation=bicubic,merge=logit,rounding=ceil"),
        ("tv-v2-50-top1", "1crop:resize=232"),
        ("timm-resnet50.a1_in1k-288-top1", "1crop:crop=288,interpolation=bicubic,resize=288"),
    ],
)
def test_a_source_is_repeated_with_its_sizes_its_resampling_and_its_merging(name: str, wanted: str) -> None:
    assert label(CATALOG, ROWS[name], USUAL) == wanted


def test_what_the_source_states_is_in_the_views() -> None:
    frame = ProtocolContext(finder(CATALOG.protocols), USUAL, mirror=True)
    bound = bind(label(CATALOG, ROWS["fb-10crop-50-top1"], USUAL), frame.find)
    found = factors_of(frame.views(bound), bound.combine)
    assert found is not None
    assert (found.interpolation, found.rounding, found.places, found.flip) == ("bicubic", "ceil", "five", True)
    assert (found.merge, found.scales, found.crop) == ("logit", (256,), 224)


OWN = [row for row in ROWS.values() if row.value and ":" not in row.architecture]
"""Figures of networks that need no library to be looked at."""


@pytest.mark.parametrize("row", OWN, ids=lambda row: row.id)
def test_every_figure_has_a_command_that_binds_or_a_reason(row: ledger.Published) -> None:
    command, remark = run_command(CATALOG, row)
    assert remark
    known = (
        row.architecture in CATALOG.architectures,
        row.protocol in CATALOG.protocols,
        row.dataset in CATALOG.datasets,
    )
    trained = row.id in ledger.trained()
    assert (command is not None) == (all(known) or trained)
    if trained:
        assert command == f"benchsuite reproduce {row.id} --data {row.dataset}:PATH --train"
    elif row.dataset == "digits":
        assert command == f"benchsuite reproduce {row.id}"
    elif command is not None:
        words = command.split()
        assert words[:2] == ["benchsuite", "run"]
        assert bind(words[words.index("-p") + 1], finder(CATALOG.protocols)).protocol.name == row.protocol
        assert f"{row.dataset}:PATH" in words


def test_what_lies_between_two_figures_is_measured_by_one_command() -> None:
    ids = ("tv-v1-50-top1", "tv-v2-50-top1", "he-gh-1c-resnet-50-top1", "he-t4-other-vggv5-top1")
    first, second, he, other = (ROWS[name] for name in ids)
    asked = "benchsuite explain resnet50 --data imagenet:PATH --weights IMAGENET1K_V2"
    assert ladder_command(CATALOG, first, second) == f"{asked} --from tv-v1-50-top1 --to tv-v2-50-top1"
    assert "resnet50.v1 --data imagenet:PATH --weights FILE" in str(ladder_command(CATALOG, first, he))
    assert ladder_command(CATALOG, first, other) is None
