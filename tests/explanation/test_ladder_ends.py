"""Tests of the two ends of a ladder, from the names that a user gives."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from colour_patches import CATALOG, asked

from benchsuite import BadParameter, StorageError, UnknownName
from benchsuite.evaluation.question import RunRequest
from benchsuite.explanation.ladder_ends import between_protocols, between_runs, of_run
from benchsuite.progress import Progress
from benchsuite.runs.run import run


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    rows = run(asked(tmp_path, "1crop", "10crop"), CATALOG, Progress())
    rows += run(asked(tmp_path, "fullconv", weights="reddish"), CATALOG, Progress())
    return [row["run_id"] for row in rows]


def nothing_asked(results: Path) -> RunRequest:
    return RunRequest((), (), results=results, batch_size=64)


def test_two_protocols_are_asked_of_one_network(tmp_path: Path) -> None:
    start, goal = between_protocols(asked(tmp_path), "1crop", "multiscale:merge=logit", CATALOG)
    assert [end.question.bound.label for end in (start, goal)] == ["1crop", "multiscale:merge=logit"]
    assert start.question.members[0].identity == goal.question.members[0].identity
    assert start.published is None


def test_a_printed_figure_is_tested_as_its_source_tests(tmp_path: Path) -> None:
    start, goal = between_protocols(asked(tmp_path), "1crop", "fb-10crop-50-top1", CATALOG)
    assert goal.question.bound.label == "10crop:crop=224,interpolation=bicubic,merge=logit,resize=256,rounding=ceil"
    assert goal.published is not None
    assert goal.published.value == "22.24"
    assert start.published is None


@pytest.mark.parametrize("name", ["he-gh-1c-resnet-50-top5", "he-t4-other-vggv5-top1", "dn-fig3-resnet"])
def test_a_figure_that_no_run_can_stand_for_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BadParameter, match="a top-1 figure of a protocol"):
        between_protocols(asked(tmp_path), "1crop", name, CATALOG)


def test_the_same_protocol_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="1crop twice"):
        between_protocols(asked(tmp_path), "1crop", "1crop", CATALOG)


def test_a_ladder_to_an_attack_changes_no_precision_on_the_way(tmp_path: Path) -> None:
    """An attack is in float32 whatever is asked, and a change of precision is no change of pixels."""
    for precision in ("auto", "fp32"):
        start, goal = between_protocols(asked(tmp_path, precision=precision), "1crop", "fgsm", CATALOG)
        assert start.question.precision == goal.question.precision == "fp32"
    for ends in (("1crop", "fgsm"), ("pgd", "10crop")):
        with pytest.raises(BadParameter, match="Expected --precision to be fp32 or auto where one end is an attack"):
            between_protocols(asked(tmp_path, precision="bf16"), *ends, CATALOG)
    between_protocols(asked(tmp_path, precision="bf16"), "1crop", "lowpass", CATALOG)


def test_an_unknown_protocol_is_refused_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'multiscale'"):
        between_protocols(asked(tmp_path), "1crop", "multiscal", CATALOG)


def test_a_run_is_the_question_that_its_command_asks_today(tmp_path: Path, runs: list[str]) -> None:
    end = of_run(nothing_asked(tmp_path), runs[2], CATALOG)
    assert end.question.run_id == runs[2]
    assert (end.question.request.architectures, end.question.request.protocols, end.question.request.weights) == (
        *(("patches",), ("fullconv",), "reddish"),
    )
    assert end.question.request.batch_size == 64
    start, goal = between_runs(nothing_asked(tmp_path), runs[0], str(tmp_path / "runs" / runs[1]), CATALOG)
    assert [start.question.run_id, goal.question.run_id] == runs[:2]


def test_a_run_under_attack_is_an_end_and_not_the_clean_run_beside_it(tmp_path: Path, runs: list[str]) -> None:
    clean, attack = run(asked(tmp_path, "1crop", "fgsm:eps=0.1"), CATALOG, Progress())
    start, goal = between_runs(nothing_asked(tmp_path), runs[0], attack["run_id"], CATALOG)
    assert clean["run_id"] == runs[0] == start.question.run_id
    assert (goal.question.run_id, goal.question.bound.label) == (attack["run_id"], "fgsm:eps=0.1")


def test_an_attack_at_either_end_is_the_attack_that_was_asked_for(tmp_path: Path) -> None:
    for ends in (("fgsm", "10crop"), ("10crop", "pgd"), ("pgd:steps=2", "pgd:steps=4")):
        start, goal = between_protocols(asked(tmp_path), *ends, CATALOG)
        assert [e.question.bound.label.partition(":")[0] for e in (start, goal)] == [e.partition(":")[0] for e in ends]
        assert start.question.precision == goal.question.precision == "fp32"


def test_a_run_with_changed_weights_is_asked_with_them_today(tmp_path: Path, runs: list[str]) -> None:
    (row,) = run(asked(tmp_path, "1crop", transforms=("redder:by=3",)), CATALOG, Progress())
    start, goal = between_runs(nothing_asked(tmp_path), runs[0], row["run_id"], CATALOG)
    assert (start.question.run_id, goal.question.run_id) == (runs[0], row["run_id"])
    assert goal.question.request.transforms == ("redder:by=3",)


def test_a_run_whose_command_asks_something_else_today_is_refused(tmp_path: Path, runs: list[str]) -> None:
    file = tmp_path / "runs" / runs[0] / "manifest.json"
    manifest = json.loads(file.read_text())
    manifest["asked"]["data"] = "patches:half"
    file.write_text(json.dumps(manifest))
    with pytest.raises(StorageError, match="its data, its weights or benchsuite have changed"):
        of_run(nothing_asked(tmp_path), runs[0], CATALOG)


def test_a_printed_figure_is_taken_with_the_network_of_the_run(tmp_path: Path, runs: list[str]) -> None:
    for names in ((runs[2], "he-t4-ms-resnet-50-top1"), ("he-t4-ms-resnet-50-top1", runs[2])):
        ends = between_runs(nothing_asked(tmp_path), *names, CATALOG)
        assert {end.question.weights for end in ends} == {"reddish"}
        printed = ends[names.index("he-t4-ms-resnet-50-top1")]
        assert printed.published is not None
        assert printed.question.bound.label == "multiscale:scales=224+256+384+480+640"


def test_runs_are_named_here_as_everywhere_and_bring_the_digest_of_their_tensors(
    tmp_path: Path, runs: list[str]
) -> None:
    short = [run.rpartition("-")[2][:8] for run in runs[:2]]
    ends = between_runs(nothing_asked(tmp_path), *short, CATALOG)
    assert [end.question.run_id for end in ends] == runs[:2]
    assert len({end.digest for end in ends} - {""}) == 1


def test_two_printed_figures_hold_no_images(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="published figures hold no images"):
        between_runs(nothing_asked(tmp_path), "he-gh-1c-resnet-50-top1", "he-t4-ms-resnet-50-top1", CATALOG)


def test_the_same_run_twice_and_a_run_that_is_not_there_are_refused(tmp_path: Path, runs: list[str]) -> None:
    with pytest.raises(BadParameter, match="twice"):
        between_runs(nothing_asked(tmp_path), runs[0], runs[0], CATALOG)
    with pytest.raises(UnknownName, match=r"did you mean 'patches-1crop"):
        between_runs(nothing_asked(tmp_path), runs[0][:-1] + "x", runs[1], CATALOG)


def test_an_ensemble_and_a_broken_run_are_refused(tmp_path: Path, runs: list[str]) -> None:
    both = RunRequest(("patches", "patches2"), ("ensemble",), data="patches", device="cpu", results=tmp_path)
    (row,) = run(both, CATALOG, Progress())
    with pytest.raises(BadParameter, match=r"of one network, got patches\+patches2"):
        of_run(nothing_asked(tmp_path), row["run_id"], CATALOG)
    (tmp_path / "runs" / runs[0] / "predictions.parquet").unlink()
    with pytest.raises(StorageError, match="whole"):
        of_run(nothing_asked(tmp_path), runs[0], CATALOG)
