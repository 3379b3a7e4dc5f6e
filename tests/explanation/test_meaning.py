"""What an error means, in words: intervals, limits, the nearest published figure; and commands that exist."""

from __future__ import annotations

import shlex

import pytest
from finished_runs import result

from benchsuite.cli import make_parser
from benchsuite.explanation.meaning import STEPWISE, meaning, next_commands
from benchsuite.specs.catalog import load_plugins


def test_the_same_measurement_can_be_compared_with_the_published_figure() -> None:
    text = meaning(result())
    tested = "resnet50, weights IMAGENET1K_V1, by 1crop (one view of an image)"
    assert text.startswith(f"What 23.870 % means: {tested}, is wrong on 11935 of 50000 images of imagenet; ")
    assert "lies between 23.498 and 24.246 % (95 % interval)" in text
    assert "it can be compared with runs on the same images and with the published 23.870 % of " in text
    assert text.endswith(".")
    assert "; not with" not in text
    assert "evenly spaced" not in text


def test_a_network_with_options_is_not_compared_with_figures_of_others() -> None:
    text = meaning({**result(), "architecture": "resnet50:pixel_mean=true"})
    assert ", not with the published 23.870 % of " in text
    assert "with pixel_mean=true" in text


def test_a_part_of_the_images_and_other_images_are_said() -> None:
    text = meaning(result(errors=58, n=500, asked__limit=500))
    assert "is wrong on 58 of 500 images of imagenet, evenly spaced among 50000;" in text
    assert ", not with the published " in text
    assert "500 images, not the 50000" in text
    other = meaning(result(dataset={**result_dataset(), "name": "digits"}))
    assert "other dataset (digits)" in other


def result_dataset() -> dict[str, object]:
    return {"name": "imagenet", "n": 50000, "of": 50000, "classes": 1000, "digest": "d", "fingerprint": "f"}


def test_what_limits_an_error_is_said_where_it_does() -> None:
    assert "random weights say nothing about a trained network" in meaning(result(weights__label="random (seed 0)"))
    assert "a stronger attack may find more errors" in meaning({**result(), "vanished": 0})
    assert "random" not in meaning(result())
    assert "attack" not in meaning(result())


def test_a_network_that_nobody_published_has_no_figure() -> None:
    text = meaning(result(architecture__name="nobody-printed-this"))
    assert "no published figure of this network under this protocol is known" in text


@pytest.mark.parametrize("protocol", ["1crop", "10crop", "multiscale:scales=32+37", "lowpass:r=4"])
@pytest.mark.parametrize("name", ["resnet50", "resnet50.v1", "nobody-printed-this"])
def test_the_next_commands_are_commands_that_fit_the_run(name: str, protocol: str) -> None:
    row = {**result(architecture__name=name, protocol__label=protocol), "path": "results/runs/x"}
    lines = next_commands(row)
    assert len(lines) == 2
    (first, second) = (shlex.split(line[line.index("benchsuite ") :])[1:] for line in lines)
    args = make_parser(first).parse_args(first)
    assert (args.names, args.start) == ([name], "1crop")
    assert args.goal == (protocol if protocol.partition(":")[0] in STEPWISE else "10crop")
    args = make_parser(second).parse_args(second)
    assert second[0] == ("explain" if name.startswith("resnet50") else "show")


def test_the_protocols_in_steps_exist() -> None:
    assert set(STEPWISE) <= set(load_plugins().protocols)
