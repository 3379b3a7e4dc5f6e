"""What a network's answers say about the order of the classes, in words."""

from __future__ import annotations

import numpy as np

from benchsuite.doctor.class_order import judge, order, usual_mistakes
from benchsuite.doctor.findings import Finding

NAMES = tuple("abcdefghij")


def only(findings: list[Finding]) -> Finding:
    (found,) = findings
    return found


def test_the_order_of_classes_is_told_in_words() -> None:
    true = np.repeat(np.arange(10), 20)
    orders = usual_mistakes([f"{10 - i:02d}" for i in range(10)])
    texts = {
        name: only(order(judge(labels, true, orders, 10), "net", NAMES))
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
    assert "but with 200 if they were in this order: labels counted from 1, as MATLAB counts" in texts["matlab"].text
    assert "b looks like a" in texts["matlab"].examples
    assert "the classes are permuted: on images that it was not found on, another order hits" in texts["unknown"].text
    assert "no better than chance" in texts["mixed"].text
    assert texts["swapped"].level == "failed"
    assert {name: f.level for name, f in texts.items()} == {n: "ok" if n == "right" else "failed" for n in texts}
    assert only(order(None, "", NAMES)).level == "skipped"


def test_a_network_that_confuses_classes_is_a_note_and_a_ring_of_them_a_failure() -> None:
    """Of 10 classes, the first two are taken for each other: in 4 of 10 images, and in all but these."""
    true = np.repeat(np.arange(10), 200)
    other = np.where(true < 2, 1 - true, true)
    seldom = np.arange(len(true)) % 10 < 4
    for answers, level in ((np.where(seldom, other, true), "ok"), (np.where(seldom, true, other), "failed")):
        assert only(order(judge(true, answers, {}, 10), "net", NAMES)).level == level


def test_an_order_that_the_networks_own_errors_explain_is_a_note() -> None:
    """The first four of 10 classes are taken for the next, in 4 of 8 images each; the others of these for a fifth."""
    true = np.repeat(np.arange(10), 80)
    turn = np.arange(len(true)) // 2 % 8
    answers = np.where((true < 4) & (turn < 4), (true + 1) % 4, np.where(true < 4, 9, true))
    found = only(order(judge(true, answers, {}, 10), "net", NAMES))
    assert found.level == "note"
    assert "4 classes fit another one better: on images that it was not found on, another order hits 320" in found.text
    assert found.examples[0] == "a looks like b"


def test_too_few_images_for_a_pair_are_said() -> None:
    for each, told in ((4, True), (5, False)):
        true = np.repeat(np.arange(10), each)
        assert ("--images" in only(order(judge(true, true, {}, 10), "net", NAMES)).advice) is told
