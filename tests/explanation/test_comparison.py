"""Comparing two runs: counted by plain loops, refused if their images differ."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import finished_runs
import numpy as np
import pytest

from benchsuite import DataError, StorageError, UnknownName
from benchsuite.explanation.comparison import Comparison, compare, flat, open_run
from benchsuite.stats.metrics import Count
from benchsuite.stats.significance import detectable, holm, mcnemar, paired_interval


@pytest.fixture(scope="module")
def found() -> Comparison:
    return compare(
        finished_runs.run("a", finished_runs.scores(300, 10, 1)),
        finished_runs.run("b", finished_runs.scores(300, 10, 2)),
    )


def by_hand(k: int) -> list[tuple[bool, bool]]:
    """Whether each image is wrong at top-k before and after, by sorting each row."""
    wrong = []
    for i, (a, b) in enumerate(zip(finished_runs.scores(300, 10, 1), finished_runs.scores(300, 10, 2), strict=True)):
        best = [sorted(range(10), key=lambda c, row=row: -row[c])[:k] for row in (a, b)]
        wrong.append((i % 10 not in best[0], i % 10 not in best[1]))
    return wrong


@pytest.mark.parametrize("k", [1, 5])
def test_fixed_and_broken_images_are_those_of_a_plain_loop(found: Comparison, k: int) -> None:
    wrong, pair = by_hand(k), found.top1 if k == 1 else found.top5
    fixed, broken = wrong.count((True, False)), wrong.count((False, True))
    assert (pair.n, pair.fixed, pair.broken, pair.both_wrong) == (300, fixed, broken, wrong.count((True, True)))
    assert min(fixed, broken) > 0
    assert pair.before == Count(sum(a for a, _ in wrong), 300)
    assert pair.after == Count(sum(b for _, b in wrong), 300)
    assert pair.change == Fraction(broken - fixed, 300)
    assert (pair.low, pair.high) == paired_interval(fixed, broken, 300)
    assert pair.p == mcnemar(fixed, broken)
    assert pair.detectable == detectable(fixed + broken, 300)


def test_the_changed_images_are_named(found: Comparison) -> None:
    wrong = by_hand(1)
    assert found.fixed == tuple(f"image-{i:05d}" for i, w in enumerate(wrong) if w == (True, False))
    assert found.broken == tuple(f"image-{i:05d}" for i, w in enumerate(wrong) if w == (False, True))


def test_agreement_counts_equal_first_answers_right_or_wrong(found: Comparison) -> None:
    a, b = finished_runs.scores(300, 10, 1), finished_runs.scores(300, 10, 2)
    assert found.agree == sum(x.argmax() == y.argmax() for x, y in zip(a, b, strict=True))
    assert found.agree > 300 - found.top1.fixed - found.top1.broken - found.top1.both_wrong


def test_changes_of_classes_add_up_and_are_corrected_for_their_number(found: Comparison) -> None:
    wrong = by_hand(1)
    for change in found.classes:
        own = [w for i, w in enumerate(wrong) if i % 10 == change.label]
        assert (change.n, change.fixed, change.broken) == (30, own.count((True, False)), own.count((False, True)))
        assert (change.errors_before, change.errors_after) == (sum(a for a, _ in own), sum(b for _, b in own))
        assert change.p == mcnemar(change.fixed, change.broken)
    assert sum(c.fixed for c in found.classes) == found.top1.fixed
    nets = [abs(c.broken - c.fixed) for c in found.classes]
    assert nets == sorted(nets, reverse=True)
    every = [1.0] * (10 - len(found.classes)) + [c.p for c in found.classes]
    assert [c.p_holm for c in found.classes] == pytest.approx(holm(every)[10 - len(found.classes) :])


def test_a_run_compared_with_itself_changes_nothing() -> None:
    a = finished_runs.run("a", finished_runs.scores(40, 10, 1))
    same = compare(a, a)
    assert (same.top1.fixed, same.top1.broken, same.top1.change, same.top1.p) == (0, 0, 0, 1.0)
    assert (same.agree, same.classes, same.fixed, same.broken, same.notes) == (40, (), (), (), ())


def test_the_order_of_the_images_does_not_matter(found: Comparison) -> None:
    order = np.random.default_rng(0).permutation(300)
    logits = finished_runs.scores(300, 10, 2)[order]
    shuffled = finished_runs.run("b", logits, labels=order % 10, ids=[f"image-{i:05d}" for i in order])
    again = compare(finished_runs.run("a", finished_runs.scores(300, 10, 1)), shuffled)
    assert (again.top1, again.top5, again.agree, again.fixed) == (found.top1, found.top5, found.agree, found.fixed)
    assert again.after.calibration.nll == pytest.approx(found.after.calibration.nll)


def test_runs_of_other_images_are_refused_with_the_reason() -> None:
    a = finished_runs.run("a", finished_runs.scores(40, 10, 1))
    part = finished_runs.run("b", finished_runs.scores(20, 10, 2), dataset__of=40)
    with pytest.raises(DataError, match=r"20 only in a, such as 'image-00020' \(a, b\)$") as refused:
        compare(a, part)
    assert "(40 of madeup, 20 of madeup), as runs are compared image by image" in str(refused.value)
    other = finished_runs.run("c", finished_runs.scores(40, 10, 2), ids=[f"other-{i}" for i in range(40)])
    with pytest.raises(DataError, match=r"40 only in a, such as 'image-00000' and 40 only in c, such as 'other-0'"):
        compare(a, other)


def test_an_image_twice_is_refused() -> None:
    a = finished_runs.run("a", finished_runs.scores(3, 10, 1))
    twice = finished_runs.run(
        "b", finished_runs.scores(4, 10, 1), ids=["image-00000", "image-00001", "image-00002", "image-00002"]
    )
    with pytest.raises(DataError, match="an image twice"):
        compare(a, twice)


def test_runs_with_other_labels_are_refused_with_the_first_one() -> None:
    labels = np.arange(40) % 10
    labels[[7, 9]] = 3
    with pytest.raises(DataError, match=r"2 that differ, such as 'image-00007': 7 and 3 \(a, b\)$"):
        compare(
            finished_runs.run("a", finished_runs.scores(40, 10, 1)),
            finished_runs.run("b", finished_runs.scores(40, 10, 2), labels=labels),
        )


def test_a_part_of_a_split_and_other_files_are_said() -> None:
    a = finished_runs.run("a", finished_runs.scores(40, 10, 1), dataset__of=400)
    b = finished_runs.run("b", finished_runs.scores(40, 10, 1), dataset__of=400, dataset__digest="other")
    assert len(compare(a, a).notes) == 1
    part, files = compare(a, b).notes
    assert part == "40 images of 400, not the whole split"
    assert "not the same files" in files


def test_weights_of_two_names_that_are_the_same_tensors_are_said() -> None:
    def of(label: str, digest: str) -> Any:
        return finished_runs.run(
            label, finished_runs.scores(40, 10, 1), weights={"label": label, "digest": digest, "file": ""}
        )

    assert compare(of("x.pth", "1"), of("y.ckpt", "1")).notes == ("x.pth and y.ckpt are the same tensors",)
    for a, b in ((of("x", "1"), of("y", "2")), (of("x", "1"), of("x", "1"))):
        assert compare(a, b).notes == ()


def test_other_precisions_and_pixels_are_said_with_the_run_they_are_of() -> None:
    asked, numerics = (
        finished_runs.run("a", finished_runs.scores(40, 10, 1)).manifest[part] for part in ("asked", "numerics")
    )
    a = finished_runs.run("a", finished_runs.scores(40, 10, 1))
    b = finished_runs.run("b", finished_runs.scores(40, 10, 1), numerics={**numerics, "precision": "bf16"})
    c = finished_runs.run("c", finished_runs.scores(40, 10, 1), asked={**asked, "question": {"loader": "ffcv:lossy"}})
    assert compare(a, b).notes == ("fp32: a; bf16: b",)
    assert compare(a, c).notes == ("exact pixels: a; ffcv:lossy: c",)


def test_flat_data_is_json_with_percentages(found: Comparison) -> None:
    data = json.loads(json.dumps(flat(found), allow_nan=False))
    assert data["top1_change"] == pytest.approx(100 * float(found.top1.change))
    assert data["top1_interval"] == [100 * found.top1.low, 100 * found.top1.high]
    assert data["before_top1_error"] - data["after_top1_error"] == pytest.approx(-data["top1_change"])
    assert data["agreement"] == 100 * found.agree / 300
    assert (data["before"], data["after"], data["n"]) == ("a", "b", 300)
    assert len(data["fixed"]) == data["top1_fixed"]
    assert data["top1_p_holm"] == data["top1_p"]
    assert data["before_brier"] == found.before.calibration.brier
    assert flat(found, 0.5)["top1_p_holm"] == 0.5


def test_a_run_on_disk_is_the_run_in_memory(tmp_path: Path, found: Comparison) -> None:
    for name, seed in (("one-a", 1), ("two-b", 2)):
        finished_runs.saved(tmp_path, name, finished_runs.scores(300, 10, seed))
    again = compare(open_run(tmp_path, "one"), open_run(tmp_path, str(tmp_path / "runs" / "two-b")))
    assert (again.top1, again.classes, again.fixed, again.agree) == (
        found.top1,
        found.classes,
        found.fixed,
        found.agree,
    )
    assert again.before.calibration == found.before.calibration


def test_an_older_run_without_brier_scores_is_compared(tmp_path: Path) -> None:
    finished_runs.saved(tmp_path, "old", finished_runs.scores(300, 10, 1), without=("brier",))
    old = compare(open_run(tmp_path, "old"), open_run(tmp_path, "old")).before.calibration
    new = finished_runs.columns(finished_runs.scores(300, 10, 1))["brier"].mean()
    assert old.brier is None
    assert old.brier_low < new < old.brier_high


def test_a_missing_or_broken_run_is_one_line(tmp_path: Path) -> None:
    finished_runs.saved(tmp_path, "one-a", finished_runs.scores(10, 10, 1))
    with pytest.raises(UnknownName, match="did you mean 'one-a'"):
        open_run(tmp_path, "one-b")
    (tmp_path / "runs" / "one-a" / "manifest.json").write_text("{")
    with pytest.raises(StorageError, match="whole"):
        open_run(tmp_path, "one-a")


def test_predictions_that_cannot_be_read_name_the_file(tmp_path: Path) -> None:
    folder = finished_runs.saved(tmp_path, "one-a", finished_runs.scores(10, 10, 1))
    (folder / "predictions.parquet").write_bytes(b"PAR1 nothing")
    with pytest.raises(StorageError, match=r"predictions\.parquet"):
        open_run(tmp_path, "one-a")


def test_fewer_classes_than_five_are_no_trouble() -> None:
    pair: Any = compare(
        finished_runs.run("a", finished_runs.scores(12, 2, 1)), finished_runs.run("b", finished_runs.scores(12, 2, 2))
    )
    assert (pair.top5.fixed, pair.top5.broken, pair.top5.before.hits) == (0, 0, 0)
    assert pair.top5.detectable is None
