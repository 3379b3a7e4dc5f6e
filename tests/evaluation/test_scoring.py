"""Tests of scoring several questions from the same logits: bit for bit the columns of each question alone."""

from __future__ import annotations

import dataclasses
from typing import Any

import colour_patches
import numpy as np
import pytest
from reference import merging
from toy_evaluation import CATALOG

from benchsuite import BenchsuiteError, Combine, Sample
from benchsuite.evaluation import scoring
from benchsuite.evaluation.question import Question, RunRequest
from benchsuite.evaluation.scoring import score
from benchsuite.runs.plan import plan
from benchsuite.specs.combine import combine, in_space, merge

PROTOCOLS = ("1crop", "10crop", "10crop:merge=logit", "10crop:rule=geometric", "10crop:rule=max", "multiscale")
PROTOCOLS += ("multiscale:average=locations", "multiscale:merge=logit,average=locations", "ensemble:protocol=10crop")


def asked(*protocols: str) -> list[Question]:
    return plan(RunRequest(("toy",), protocols, data="toy"), CATALOG)


def made_up(questions: list[Question], n: int, classes: int = 7) -> tuple[list[Sample], Any]:
    rng = np.random.default_rng(0)
    samples = [Sample(f"{i:03d}", int(rng.integers(0, classes)), "") for i in range(n)]
    views = {v: None for q in questions for v in q.members[0].views}
    identity = questions[0].members[0].identity
    logits = {
        v: (
            rng.normal(size=(n, classes)).astype(np.float32) * 4,
            rng.integers(1, 200, n) if v.dense else np.ones(n, int),
        )
        for v in views
    }
    return samples, {identity: logits}


def columns(questions: list[Question], samples: list[Sample], logits: Any) -> list[dict[str, Any]]:
    blocks = list(score(questions, samples, logits))
    assert all(len(block) == len(questions) for block in blocks)
    return [
        {name: [x for block in blocks for x in np.asarray(block[i][name]).tolist()] for name in blocks[0][i]}
        for i in range(len(questions))
    ]


@pytest.mark.parametrize("block", [1, 40, 2**16])
def test_questions_together_and_in_any_block_are_scored_as_each_alone(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    questions = asked(*PROTOCOLS)
    samples, logits = made_up(questions, 23)
    alone = [columns([question], samples, logits)[0] for question in questions]
    monkeypatch.setattr(scoring, "BLOCK", block)
    assert columns(questions, samples, logits) == alone
    assert len(list(score(questions, samples, logits))) == -(-23 // max(1, block // 7))


def test_scores_are_those_of_combine_and_of_a_plain_loop() -> None:
    questions = asked(*PROTOCOLS[:-1])
    samples, logits = made_up(questions, 9)
    for question, found in zip(questions, columns(questions, samples, logits), strict=True):
        (member,) = question.members
        views = logits[member.identity]
        stacked = np.stack([views[v][0] for v in member.views], axis=1)
        places = np.stack([views[v][1] for v in member.views], axis=1)
        scores = combine(stacked, member.combine, places)
        how = member.combine
        for i, sample in enumerate(samples):
            slow = merging.combine(stacked[i].tolist(), how.rule, how.space, how.average, places[i].tolist())
            np.testing.assert_allclose(scores[i], slow, rtol=1e-12)
            assert found["rank"][i] == sorted(range(7), key=lambda c, row=scores[i]: (-row[c], c)).index(sample.label)


@pytest.mark.parametrize(
    "how", [Combine(), Combine("mean", "logit"), Combine("geometric", "prob"), Combine("max")], ids=str
)
def test_merging_what_is_in_its_space_is_combining(how: Combine) -> None:
    logits = np.random.default_rng(1).normal(size=(5, 4, 6)).astype(np.float32)
    places = np.ones((5, 4))
    apart = merge([in_space(logits[:, v], how) for v in range(4)], how, places)
    np.testing.assert_array_equal(apart, combine(logits, how, places))


def test_the_logits_are_left_as_they_were() -> None:
    questions = asked("10crop", "10crop:merge=logit", "10crop:rule=geometric")
    samples, logits = made_up(questions, 5)
    before = {v: x.copy() for views in logits.values() for v, (x, _) in views.items()}
    columns(questions, samples, logits)
    for views in logits.values():
        for v, (x, _) in views.items():
            np.testing.assert_array_equal(x, before[v])


def test_an_ensemble_of_networks_averages_their_scores() -> None:
    (question,) = plan(RunRequest(("patches", "patches2"), ("ensemble",), data="patches"), colour_patches.CATALOG)
    rng = np.random.default_rng(3)
    samples = [Sample(str(i), int(rng.integers(0, 3)), "") for i in range(6)]
    logits = {
        member.identity: {v: (rng.normal(size=(6, 3)).astype(np.float32), np.ones(6, int)) for v in member.views}
        for member in question.members
    }
    ((found,),) = score([question], samples, logits)
    parts = [merging.softmax(x) for views in logits.values() for (x, _) in views.values() for x in x.tolist()]
    for i, sample in enumerate(samples):
        both = [parts[i], parts[6 + i]]
        assert found["probability_true"][i] == pytest.approx(sum(p[sample.label] for p in both) / 2)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_other_classes_are_left_out_before_anything_is_averaged(protocol: str) -> None:
    """As if the network had only the logits of these classes; labels and predictions keep their indices."""
    (question,) = asked(protocol)
    among = (1, 2, 5)
    samples, logits = made_up([question], 12)
    samples = [dataclasses.replace(s, label=among[i % 3]) for i, s in enumerate(samples)]
    few = [dataclasses.replace(s, label=i % 3) for i, s in enumerate(samples)]
    sliced = {i: {v: (x[:, list(among)], n) for v, (x, n) in made.items()} for i, made in logits.items()}
    (expected,) = columns([question], few, sliced)
    split = dataclasses.replace(question.split, among=among)
    (found,) = columns([dataclasses.replace(question, split=split)], samples, logits)
    assert found["top5"] == [[among[i] for i in row] for row in expected["top5"]]
    assert found["label"] == [s.label for s in samples]
    for name in ("rank", "probability5", "probability_true", "margin1", "brier"):
        assert found[name] == expected[name], name


def test_images_whose_gradient_vanishes_in_any_view_are_marked() -> None:
    questions = asked("10crop", "fgsm:of=10crop", "1crop")
    samples, logits = made_up(questions, 5)
    (by_view,) = logits.values()
    attacked = [v for v in by_view if v.attacked]
    by_view[attacked[3]][1][2] = 0
    by_view[attacked[4]][1][[2, 4]] = 0
    clean, attack, one = columns(questions, samples, logits)
    assert attack["vanished"] == [False, False, True, False, True]
    assert "vanished" not in clean
    assert "vanished" not in one


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_logit_that_is_not_finite_is_named_with_its_network_and_image(bad: float) -> None:
    questions = asked("1crop", "10crop:merge=prob")
    samples, logits = made_up(questions, 7)
    for by_view in logits.values():
        for x, _ in by_view.values():
            x[3, 2] = x[5, 0] = bad
    with pytest.raises(BenchsuiteError) as error:
        columns(questions, samples, logits)
    assert str(error.value) == (
        f"Expected the logits of {questions[0].architecture}, weights {questions[0].weights}, to be finite, got {bad} "
        f"for class 2 (image {samples[3].id} and 1 more of 7)"
    )
