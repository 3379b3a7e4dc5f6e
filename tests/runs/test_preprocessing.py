"""Tests of ``--preprocess``: what it means, what it changes in a run's id and labels, and what it refuses."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import colour_patches
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_evaluation import CATALOG, questions
from toys import PREPROCESS

import benchsuite
from benchsuite import Architecture, BenchsuiteError, Preprocess, UnknownName, Weights, load_plugins
from benchsuite.evaluation.question import RunRequest
from benchsuite.progress import Progress
from benchsuite.runs import manifest, sweep_file
from benchsuite.runs.plan import plan
from benchsuite.runs.preprocessing import as_text, read
from benchsuite.runs.run import run

OTHER = Preprocess(6, 5, "bicubic", (0.1, 0.2, 0.3), (1.0, 2.0, 3.0), False, "BGR", 255.0, "round")
WEIGHTS = tuple(Weights(n, dict, p, 2, n) for n, p in (("identity", PREPROCESS), ("other", OTHER)))
NET = Architecture("net", lambda num_classes: None, PREPROCESS, WEIGHTS)


def asked(text: str | None, **fields: Any) -> Any:
    return questions("1crop", preprocess=text, **fields)[0]


positive = st.floats(0.01, 300, allow_nan=False)
three = st.tuples(positive, positive, positive)
sides = st.integers(1, 600)


@given(
    st.builds(
        Preprocess,
        sides | st.tuples(sides, sides),
        sides,
        st.sampled_from(["bilinear", "bicubic", "lanczos"]),
        three,
        three,
        st.booleans(),
        st.sampled_from(["RGB", "BGR"]),
        st.sampled_from([1.0, 255.0]),
        st.sampled_from(["floor", "round"]),
    )
)
def test_any_preprocessing_can_be_typed(value: Preprocess) -> None:
    again = read(as_text(value), NET)
    assert again.on(PREPROCESS) == value
    assert (again.complete, again.origin("the file")) == (True, "the user")


def test_a_name_is_the_preprocessing_of_declared_weights_and_fields_change_it() -> None:
    assert read("other", NET).on(PREPROCESS) == OTHER
    both = read("other, channel_order=rgb,mean=0+0+0", NET)
    assert both.on(PREPROCESS) == dataclasses.replace(OTHER, channel_order="RGB", mean=(0.0, 0.0, 0.0))
    assert both.text == "other,channel_order=RGB,mean=0.0+0.0+0.0"
    assert both.origin("x") == "the user (channel_order, mean), the rest from the declared weights other"
    assert read("crop=3", NET).on(PREPROCESS) == dataclasses.replace(PREPROCESS, crop=3)


def test_it_is_part_of_id_key_label_manifest_and_command_only_where_it_changes_something() -> None:
    plain, same, other = asked(None), asked("identity,crop=4"), asked("channel_order=bgr")
    assert plain.run_id == same.run_id
    assert (plain.weights, plain.identity) == (same.weights, same.identity)
    assert other.run_id not in (plain.run_id, asked("range=255").run_id)
    assert other.weights == "identity, preprocess channel_order=BGR"
    assert other.members[0].identity != plain.members[0].identity
    assert other.members[0].weights.preprocess == dataclasses.replace(PREPROCESS, channel_order="BGR")
    assert manifest.command(other).endswith("--preprocess channel_order=bgr")
    assert "--preprocess" not in manifest.command(plain)


def test_the_parameters_of_a_protocol_are_stronger() -> None:
    (question,) = questions("1crop:crop=2", preprocess="crop=3,interpolation=nearest")
    (view,) = question.members[0].views
    assert view.crop is not None
    assert (view.crop.size, view.interpolation) == (2, "nearest")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "Expected --preprocess to be the name of declared weights, FIELD=VALUE,... or both, got nothing"),
        ("identty", "Unknown weights of toy 'identty': did you mean 'identity'?"),
        ("size=3", "Unknown field of --preprocess 'size'"),
        ("mean=0.5", r"Expected mean to be 3 numbers, one for each channel, got 1 \(--preprocess mean=0.5\)"),
        ("std=1+0+1", "Expected std to be finite and above 0"),
        ("mean=nan+0+0", "Expected mean to be finite, got nan"),
        ("range=2", "Expected range to be 1 or 255, got 2"),
        ("channel_order=gbr", "Expected channel_order to be one of RGB, BGR"),
        ("interpolation=cubic", "Expected interpolation to be one of"),
        ("crop=9", "Expected crop to be at most the shorter side of 5 pixels, got 9"),
        ("resize=1+2+3", "Expected resize to be a short side, or height.width"),
        ("crop=3,crop=3", "Expected field 'crop' to be given once, got twice"),
        ("identity,other", "Expected a field of --preprocess to be written name=value, got other"),
    ],
)
def test_a_wrong_value_is_one_line(text: str, message: str) -> None:
    with pytest.raises(BenchsuiteError, match=message) as caught:
        asked(text)
    assert "\n" not in str(caught.value)


def test_a_network_without_declared_weights_knows_no_name() -> None:
    with pytest.raises(BenchsuiteError, match=r"FIELD=VALUE,\.\.\., as net declares no weights, got other"):
        read("other", dataclasses.replace(NET, weights=()))
    with pytest.raises(UnknownName, match="known: identity, other"):
        read("zzz", NET)


def test_a_fixed_input_size_stays() -> None:
    networks = dict(CATALOG.architectures)
    networks["toy"] = dataclasses.replace(CATALOG.architecture("toy"), input=benchsuite.Input(fixed=True), dense=None)
    fixed = dataclasses.replace(CATALOG, architectures=networks)
    with pytest.raises(BenchsuiteError, match="Expected crop to be 4, the fixed input size of toy, got 3"):
        plan(RunRequest(("toy",), ("1crop",), data="toy", preprocess="crop=3"), fixed)


def test_a_placeholder_is_replaced_by_a_whole_preprocessing_alone() -> None:
    networks = dict(CATALOG.architectures)
    bare = dataclasses.replace(CATALOG.architecture("toy"), preprocessing="never", weights=())
    catalog = dataclasses.replace(CATALOG, architectures=networks | {"toy": bare})
    request = RunRequest(("toy",), ("1crop",), data="toy", weights="random")
    with pytest.raises(BenchsuiteError, match="the preprocessing of toy"):
        plan(dataclasses.replace(request, preprocess="crop=3"), catalog)
    (question,) = plan(dataclasses.replace(request, preprocess=as_text(OTHER)), catalog)
    assert question.members[0].weights.preprocess == OTHER
    assert question.members[0].weights.origin == "the user"


def test_it_is_an_axis_of_a_sweep() -> None:
    axis = ["", "range=255", "identity,range=255"]
    spec = sweep_file.parse("s", {"architectures": "toy", "data": "toy", "preprocess": axis}, CATALOG)
    assert [cell.preprocess for cell in spec.cells] == axis
    jobs = sweep_file.jobs(spec, spec.cells, Path("results"), fresh=False)
    assert [job.request.preprocess for job in jobs] == [None, *axis[1:]]
    assert spec.cells[1].label == "toy 1crop toy preprocess=range=255"


def test_a_value_of_the_api_is_the_same_and_a_run_is_recalled_with_it(tmp_path: Path) -> None:
    options: dict[str, Any] = {"data": "toy", "catalog": CATALOG, "results": tmp_path, "progress": False}
    bgr = dataclasses.replace(PREPROCESS, channel_order="BGR")
    value = benchsuite.evaluate("toy", preprocess=bgr, **options)
    assert value.manifest["members"][0]["preprocess"]["channel_order"] == "BGR"
    assert value.row["preprocessing"][0].endswith("std 1 1 1; from the user")
    assert not value.predictions.equals(benchsuite.evaluate("toy", **options).predictions)
    again = benchsuite.evaluate(value.run_id, "ensemble", **options)
    assert again.manifest["members"][0]["preprocess"]["channel_order"] == "BGR"
    assert again.predictions.equals(value.predictions)


def test_the_public_resnet20_saved_again_says_what_it_took_and_gets_akamasters_errors(
    cifar10_jpeg: Path, tmp_path: Path
) -> None:
    import torch

    file = Path(os.environ["BENCHSUITE_TEST_DATA"], "akamaster", "resnet20-12fca82f.th")
    state = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    torch.save(state, tmp_path / "again.pth")
    notes: list[str] = []

    class Notes(Progress):
        def note(self, text: str) -> None:
            notes.append(text)

    def errors(weights: Path, **options: Any) -> Any:
        data = f"cifar10:{cifar10_jpeg}"
        where: dict[str, Any] = {"results": tmp_path, "progress": Notes(), "limit": 500, "precision": "fp32"}
        return benchsuite.evaluate("resnet20", data=data, weights=weights, **where, **options)

    theirs, plain = errors(file), errors(tmp_path / "again.pth")
    chosen = errors(tmp_path / "again.pth", preprocess="akamaster")
    assert theirs.top1_errors == chosen.top1_errors
    assert theirs.row["preprocessing"][0].endswith("from the declared weights akamaster: it is their file")
    assert chosen.row["preprocessing"][0].endswith("from the declared weights akamaster, chosen by the user")
    assert plain.row["preprocessing"] != theirs.row["preprocessing"]
    assert any(
        note.endswith("from the usual one of cifar10; another: --preprocess akamaster or mean=...,std=...")
        for note in notes
    )


def test_images_resized_to_a_height_and_a_width_are_evaluated_and_read_again(tmp_path: Path) -> None:
    catalog = load_plugins(entry_points=False, extra=[colour_patches.PatchesPlugin()])
    request = colour_patches.asked(tmp_path, "1crop", preprocess="resize=14+14")
    first, again = (run(request, catalog, Progress()) for _ in range(2))
    assert [row["top1_errors"] for row in again] == [row["top1_errors"] for row in first]
    assert "enlarged" not in first[0]
