"""Tests of the order of classes derived from a network's predictions: right orders pass, wrong ones are named."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchsuite.builtin.datasets import _synsets
from benchsuite.doctor.class_order import ClassOrder, devkit_order, judge, order, usual_mistakes
from benchsuite.doctor.kinds import Finding


def seen(classes: int, each: int, accuracy: float, seed: int = 0) -> tuple[Any, Any]:
    """True classes, and predictions that are right with the given probability and else random."""
    random = np.random.default_rng(seed)
    true = np.repeat(np.arange(classes), each)
    wrong = random.random(len(true)) >= accuracy
    return true, np.where(wrong, random.integers(0, classes, len(true)), true)


def labelled(order: list[int], true: Any) -> Any:
    """The labels of true classes for an order of classes: the position of each class in the order."""
    return np.argsort(order)[true]


NAMES = _synsets.names(_synsets.wnids())
MISTAKES = usual_mistakes(NAMES)


@pytest.mark.parametrize(("classes", "each", "accuracy"), [(1000, 1, 0.8), (1000, 3, 0.3), (10, 30, 0.5), (2, 40, 0.9)])
def test_labels_in_order_pass(classes: int, each: int, accuracy: float) -> None:
    for seed in range(3):
        true, answers = seen(classes, each, accuracy, seed)
        found = judge(true, answers, usual_mistakes(NAMES[:classes]), classes)
        assert (found.better, found.blind, found.moved, found.rings) == ("", False, (), ())
        assert found.hits.hits == int((true == answers).sum())


@pytest.mark.parametrize("name", MISTAKES)
def test_each_usual_mistake_is_named_even_with_one_image_of_a_class(name: str) -> None:
    true, answers = seen(1000, 1, 0.7)
    labels = labelled(MISTAKES[name], true)
    found = judge(labels, answers, MISTAKES, 1000)
    assert found.better == "known"
    assert found.known is not None
    assert (found.known[0], found.known[1].hits) == (name, int((true == answers).sum()))
    assert set(found.moved) <= set(enumerate(MISTAKES[name]))


def test_an_order_that_nobody_knows_is_found_on_one_half_and_counted_on_the_other() -> None:
    order = np.random.default_rng(5).permutation(100).tolist()
    true, answers = seen(100, 6, 0.6)
    found = judge(labelled(order, true), answers, usual_mistakes(NAMES[:100]), 100)
    assert found.better == "fitted"
    assert found.fitted is not None
    fit, plain = found.fitted
    assert fit.total == plain.total == 300
    assert fit.hits > 5 * plain.hits
    assert len(set(found.moved) & set(enumerate(order))) > 80


def by_brute_force(labels: Any, answers: Any, classes: int) -> int:
    """The most votes that any order of the classes gets from every second image of each class."""
    half = np.concatenate([np.flatnonzero(labels == c)[::2] for c in range(classes)])
    return max(
        sum(order[label] == answer for label, answer in zip(labels[half], answers[half], strict=True))
        for order in itertools.permutations(range(classes))
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_fitted_order_is_the_best_of_all(seed: int) -> None:
    random = np.random.default_rng(seed)
    labels, answers = np.arange(150) % 5, random.integers(0, 5, 150)
    answers = np.where(random.random(150) < 0.6, (labels + 2) % 5, answers)
    found = judge(labels, answers, {}, 5)
    assert found.better == "fitted"
    order = dict(enumerate(range(5))) | dict(found.moved)
    half = np.concatenate([np.flatnonzero(labels == c)[::2] for c in range(5)])
    assert sum(order[a] == b for a, b in zip(labels[half], answers[half], strict=True)) == by_brute_force(
        labels, answers, 5
    )


def test_two_classes_that_changed_places_are_named() -> None:
    true, answers = seen(1000, 6, 0.8)
    labels = true.copy()
    labels[true == 7], labels[true == 500] = 500, 7
    found = judge(labels, answers, MISTAKES, 1000)
    assert (found.rings, found.ample) == (((7, 500),), 1000)


def test_classes_that_changed_places_in_a_ring_are_named_from_the_lowest() -> None:
    true, answers = seen(1000, 6, 0.8)
    labels = true.copy()
    labels[true == 500], labels[true == 7], labels[true == 30] = 7, 30, 500
    assert judge(labels, answers, MISTAKES, 1000).rings == ((7, 500, 30),)


def test_a_class_that_is_taken_for_a_sound_one_makes_no_ring() -> None:
    true, answers = seen(1000, 6, 0.8)
    answers[true == 7] = 500
    answers[true == 8], answers[true == 9] = 9, 500
    assert judge(true, answers, MISTAKES, 1000).rings == ()


def test_fewer_than_five_images_of_a_class_make_no_ring() -> None:
    true, answers = seen(1000, 4, 1.0)
    labels = np.where(true == 7, 500, np.where(true == 500, 7, true))
    found = judge(labels, answers, MISTAKES, 1000)
    assert (found.rings, found.ample) == ((), 0)


def test_a_better_order_that_a_confused_network_explains_is_no_permutation() -> None:
    """Of 60 classes, 20 are always predicted as the next class; another order needs twice as many hits."""
    true, answers = seen(60, 10, 1.0)
    confused = true < 20
    answers = np.where(confused, (true + 1) % 20, true)
    found = judge(true, answers, {}, 60)
    assert found.better == "partly"
    assert {a for a, _ in found.moved} == set(range(20))
    assert found.fitted is not None
    assert (found.fitted[0].hits, found.fitted[1].hits) == (300, 200)


def test_mixed_labels_and_a_network_that_knows_nothing_are_blind() -> None:
    true, answers = seen(100, 5, 0.9)
    mixed = np.random.default_rng(0).permutation(true)
    assert judge(mixed, answers, usual_mistakes(NAMES[:100]), 100).blind
    assert judge(true, np.zeros_like(true), {}, 100).blind
    assert judge(true[:3], true[:3] + 1, {}, 100).blind


def test_chance_is_no_better_order() -> None:
    better = []
    for seed in range(40):
        random = np.random.default_rng(seed)
        labels, answers = random.integers(0, 20, (2, 200))
        found: ClassOrder = judge(labels, answers, usual_mistakes(NAMES[:20]), 20)
        better.append(found.better)
    assert better.count("") >= 39


def test_no_order_is_tried_that_is_the_right_one() -> None:
    assert "numbers sorted as text (0, 1, 10, 100 ...)" not in usual_mistakes([str(i) for i in range(10)])
    assert usual_mistakes(["a", "b"]).keys() == {"labels counted from 1, as MATLAB counts", "labels one too low"}


def test_the_development_kit_tells_its_own_order(tmp_path: Path) -> None:
    from scipy.io import savemat

    ids = ["n03", "n01", "n04", "n02"]
    rows = np.zeros((5, 1), dtype=[("ILSVRC2012_ID", object), ("WNID", object), ("num_children", object)])
    for i, (number, wnid, children) in enumerate([(5, "n00", 4), *((i + 1, w, 0) for i, w in enumerate(ids))]):
        rows[i, 0] = number, wnid, children
    (tmp_path / "data").mkdir()
    savemat(tmp_path / "data" / "meta.mat", {"synsets": rows})
    (found,) = devkit_order(tmp_path).values()
    assert found == [2, 0, 3, 1]
    assert devkit_order(tmp_path / "val") == devkit_order(tmp_path)
    (tmp_path / "data" / "meta.mat").write_bytes(b"none")
    assert devkit_order(tmp_path) == {}
    assert devkit_order(tmp_path / "data" / "deeper") == {}


LETTERS = tuple("abcdefghij")


def only(findings: list[Finding]) -> Finding:
    (found,) = findings
    return found


def test_the_order_of_classes_is_told_in_words() -> None:
    true = np.repeat(np.arange(10), 20)
    orders = usual_mistakes([f"{10 - i:02d}" for i in range(10)])
    texts = {
        name: only(order(judge(labels, true, orders, 10), "net", LETTERS))
        for name, labels in {
            "right": true,
            "matlab": (true + 1) % 10,
            "unknown": np.array([3, 8, 0, 5, 1, 9, 2, 7, 6, 4])[true],
            "mixed": np.random.default_rng(0).permutation(true),
            "swapped": np.where(true == 2, 5, np.where(true == 5, 2, true)),
        }.items()
    }
    assert (
        texts["right"].text
        == "net agrees with the labels of 200 of 200 images (100.00 %), and no other order fits better"
    )
    assert (
        "but with 200 if the labels are read like this: labels counted from 1, as MATLAB counts" in texts["matlab"].text
    )
    assert "images labelled b look like a" in texts["matlab"].examples
    assert "the classes are permuted: another order, found on half of the images, is right for" in texts["unknown"].text
    assert "no better than chance" in texts["mixed"].text
    assert texts["swapped"].level == "failed"
    assert {name: f.level for name, f in texts.items()} == {n: "ok" if n == "right" else "failed" for n in texts}
    assert only(order(None, "", LETTERS)).level == "skipped"


def test_a_network_that_confuses_classes_is_a_note_and_a_ring_of_them_a_failure() -> None:
    """Of 10 classes, the first two are confused with each other: in 4 of 10 images, and in all but these."""
    true = np.repeat(np.arange(10), 200)
    other = np.where(true < 2, 1 - true, true)
    seldom = np.arange(len(true)) % 10 < 4
    for answers, level in ((np.where(seldom, other, true), "ok"), (np.where(seldom, true, other), "failed")):
        assert only(order(judge(true, answers, {}, 10), "net", LETTERS)).level == level


def test_an_order_that_the_networks_own_errors_explain_is_a_note() -> None:
    """The first four of 10 classes are predicted as the next in 4 of 8 images, and as the last class in the others."""
    true = np.repeat(np.arange(10), 80)
    turn = np.arange(len(true)) // 2 % 8
    answers = np.where((true < 4) & (turn < 4), (true + 1) % 4, np.where(true < 4, 9, true))
    found = only(order(judge(true, answers, {}, 10), "net", LETTERS))
    assert found.level == "note"
    assert (
        "4 classes fit another class better: another order, found on half of the images, is right for 320" in found.text
    )
    assert found.examples[0] == "images labelled a look like b"


def test_too_few_images_for_a_pair_are_said() -> None:
    for each, told in ((4, True), (5, False)):
        true = np.repeat(np.arange(10), each)
        assert ("--images" in only(order(judge(true, true, {}, 10), "net", LETTERS)).advice) is told
