"""Tests of the plan of a ladder: the questions between its two ends, before anything is run."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from colour_patches import CATALOG, N, asked

from benchsuite import BadParameter, DataError
from benchsuite.evaluation.question import RunRequest
from benchsuite.explanation.ladder_plan import LadderEnd, flat, make_plan
from benchsuite.progress import Progress
from benchsuite.runs.plan import plan
from benchsuite.runs.run import run


def end(request: RunRequest) -> LadderEnd:
    (question,) = plan(request, CATALOG)
    return LadderEnd(question)


def ends(
    results: Path, start: str = "1crop", goal: str = "multiscale", **fields: object
) -> tuple[LadderEnd, LadderEnd]:
    return end(asked(results, start)), end(asked(results, goal, **fields))


def test_each_rung_is_a_question_with_a_command_of_its_own(tmp_path: Path) -> None:
    made = make_plan(*ends(tmp_path), CATALOG, shapley=False)
    assert len(made.rungs) == 9
    assert made.sets == {}
    for rung in made.rungs:
        assert rung.question.request.protocols == (rung.question.bound.label,)
        (again,) = plan(rung.question.request, CATALOG)
        assert again.run_id == rung.question.run_id
    assert made.rungs[0].question.run_id == made.ends[0].question.run_id
    assert made.rungs[-1].question.run_id == made.ends[1].question.run_id


def test_the_cost_counts_distinct_views_and_their_pixels(tmp_path: Path) -> None:
    """Crops of 14: five, and five mirrored; the whole image at 16 without and with windows; four more scales; twice."""
    made = make_plan(*ends(tmp_path), CATALOG, shapley=False)
    assert (made.cost.runs, made.cost.answered, made.cost.images) == (9, 0, N)
    assert made.cost.views == 10 + 2 * (1 + 5)
    crops, smallest = 10 * 14 * 14, 2 * (2 * 16 * 16 + 14 * 14 + 24 * 24 + 30 * 30 + 40 * 40)
    assert crops + smallest < made.cost.pixels < crops + 2 * smallest  # no image is more than twice as wide as high


def test_answered_rungs_cost_nothing(tmp_path: Path) -> None:
    run(asked(tmp_path, "1crop", "10crop"), CATALOG, Progress())
    part = make_plan(*ends(tmp_path), CATALOG, shapley=False).cost
    assert (part.answered, part.views) == (2, 5 + 2 * 6)
    labels = [rung.question.bound.label for rung in make_plan(*ends(tmp_path), CATALOG, shapley=False).rungs]
    run(asked(tmp_path, *labels), CATALOG, Progress())
    whole = make_plan(*ends(tmp_path), CATALOG, shapley=False).cost
    assert (whole.answered, whole.views, whole.pixels) == (9, 0, 0)
    fresh = []
    for end in ends(tmp_path):
        again = dataclasses.replace(end.question.request, fresh=True)
        fresh.append(dataclasses.replace(end, question=dataclasses.replace(end.question, request=again)))
    assert make_plan(fresh[0], fresh[1], CATALOG, shapley=False).cost.answered == 0


def factors(start: LadderEnd, goal: LadderEnd) -> list[list[str]]:
    return [[str(f) for f in rung.factors] for rung in make_plan(start, goal, CATALOG, shapley=False).rungs]


def test_weights_change_first_and_sizes_stay_until_their_own_rung(tmp_path: Path) -> None:
    start, goal = ends(tmp_path, goal="10crop", weights="reddish")
    made = make_plan(start, goal, CATALOG, shapley=False)
    assert [(rung.question.weights, rung.question.bound.label) for rung in made.rungs] == [
        ("even", "1crop"),
        ("reddish", "1crop:resize=16"),
        ("reddish", "1crop"),
        ("reddish", "10crop:flip=false"),
        ("reddish", "10crop"),
    ]
    assert factors(start, goal)[1] == ["weights: even -> reddish"]
    assert factors(start, goal)[2] == ["resize: 16 -> 18"]


def test_changed_weights_are_a_rung_and_its_command_names_the_transform(tmp_path: Path) -> None:
    start, goal = ends(tmp_path, goal="10crop", transforms=("redder",))
    assert factors(start, goal)[1] == ["transforms: none -> redder:by=2"]
    for rung in make_plan(start, goal, CATALOG, shapley=False).rungs[1:]:
        assert rung.question.request.transforms == ("redder:by=2",)
        (again,) = plan(rung.question.request, CATALOG)
        assert again.run_id == rung.question.run_id


DARKER = "mean=0.5+0.5+0.5"
TO_DARKER = "normalisation: mean 0 0 0 -> mean 0.5 0.5 0.5"


def test_of_the_same_tensors_only_what_is_done_to_them_and_to_pixels_is_a_rung(tmp_path: Path) -> None:
    start, goal = ends(tmp_path, goal="1crop", preprocess=DARKER)
    assert factors(start, goal) == [[], [TO_DARKER]]
    start, goal = ends(tmp_path, goal="1crop", preprocess=DARKER, transforms=("redder",))
    assert factors(start, goal) == [[], [TO_DARKER], ["transforms: none -> redder:by=2"]]
    made = make_plan(start, goal, CATALOG, shapley=False)
    for rung in made.rungs:
        (again,) = plan(rung.question.request, CATALOG)
        assert again.run_id == rung.question.run_id
    assert made.rungs[-1].question.run_id == goal.question.run_id


def test_sizes_and_resampling_of_the_same_tensors_are_factors_of_the_protocol(tmp_path: Path) -> None:
    start, goal = ends(tmp_path, goal="1crop", preprocess="resize=18,interpolation=bicubic")
    assert factors(start, goal) == [[], ["interpolation: bilinear -> bicubic"], ["resize: 16 -> 18"]]
    assert make_plan(start, goal, CATALOG, shapley=False).rungs[-1].question.run_id == goal.question.run_id
    start, goal = ends(tmp_path, start="1crop:resize=20", goal="1crop:resize=20", preprocess="resize=18")
    assert [f.split(":")[0] for f in factors(start, goal)[-1]] == ["preprocessing"]


def test_weights_of_another_name_are_the_same_tensors_if_their_digests_are_equal(tmp_path: Path) -> None:
    start, goal = ends(tmp_path, goal="1crop:resize=16", weights="reddish", preprocess=DARKER)
    other = "weights: even -> reddish, preprocess mean=0.5+0.5+0.5"
    assert factors(start, goal)[1] == [other, TO_DARKER]
    same = [dataclasses.replace(each, digest="d") for each in (start, goal)]
    assert factors(*same)[1] == [TO_DARKER]
    assert factors(same[0], dataclasses.replace(goal, digest="e"))[1] == [other, TO_DARKER]
    patches2 = end(dataclasses.replace(asked(tmp_path, "1crop"), architectures=("patches2",)))
    assert factors(same[0], dataclasses.replace(patches2, digest="d"))[1] == ["architecture: patches -> patches2"]


def test_another_network_is_confounded_with_its_weights(tmp_path: Path) -> None:
    start = end(asked(tmp_path, "1crop"))
    goal = end(dataclasses.replace(asked(tmp_path, "1crop", weights="reddish"), architectures=("patches2",)))
    assert factors(start, goal)[1] == ["architecture: patches -> patches2", "weights: even -> reddish"]


def test_decoder_precision_and_device_are_rungs(tmp_path: Path) -> None:
    start, goal = ends(tmp_path, goal="1crop:resize=20", loader="backwards", precision="bf16", device="auto")
    assert factors(start, goal) == [
        [],
        ["decoder: torch -> backwards"],
        ["precision: fp32 -> bf16"],
        ["device: cpu -> auto"],
        ["resize: 16 -> 20"],
    ]


def test_the_same_precision_in_other_words_is_no_rung(tmp_path: Path) -> None:
    start, goal = ends(tmp_path, goal="1crop:resize=20", precision="fp32")
    assert factors(start, goal) == [[], ["resize: 16 -> 20"]]


def test_ends_of_other_images_are_refused(tmp_path: Path) -> None:
    start, goal = ends(tmp_path, data="patches:half")
    with pytest.raises(DataError, match=f"evaluated on the same images, got {N} of toy and {N // 2} of toy"):
        make_plan(start, goal, CATALOG, shapley=False)


def test_an_ensemble_is_refused(tmp_path: Path) -> None:
    several = dataclasses.replace(asked(tmp_path, "ensemble"), architectures=("patches", "patches2"))
    with pytest.raises(BadParameter, match=r"of one network, got patches\+patches2"):
        make_plan(end(asked(tmp_path, "1crop")), end(several), CATALOG, shapley=False)


def test_every_set_of_factors_is_a_question_too(tmp_path: Path) -> None:
    made = make_plan(*ends(tmp_path, goal="10crop:merge=logit"), CATALOG, shapley=True)
    assert len(made.sets) == 8
    assert made.cost.runs == len({q.run_id for q in made.sets.values()} | {r.question.run_id for r in made.rungs})
    everything = max(made.sets, key=len)
    assert everything == {"crops", "mirror images", "merge space"}
    assert made.sets[everything].run_id == made.ends[1].question.run_id


def test_flat_data_is_json_with_commands(tmp_path: Path) -> None:
    data = json.loads(json.dumps(flat(make_plan(*ends(tmp_path, goal="10crop"), CATALOG, shapley=False))))
    assert [rung["command"] for rung in data["rungs"]] == [
        "benchsuite run patches -p 1crop --data patches",
        "benchsuite run patches -p 10crop:flip=false --data patches",
        "benchsuite run patches -p 10crop --data patches",
    ]
    assert data["rungs"][1]["factors"] == [
        {"name": "crops", "before": "centre crop", "after": "centre and corner crops"}
    ]
    assert data["cost"]["views"] == 10
