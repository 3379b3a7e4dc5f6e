"""Tests of the content of a report: compared runs, changed images, and the rest that a ladder does not explain."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from finished_reports import ladder_file, toy_report, two_runs
from finished_runs import saved, scores

from benchsuite import DataError
from benchsuite.explanation import comparison, ledger
from benchsuite.report import content
from benchsuite.report.content import Entry, read
from benchsuite.report.sources import sources
from benchsuite.report.tables import runs
from benchsuite.stats import significance

A, B = "resnet50-1crop-x-aaa", "resnet50-10crop-x-bbb"


def test_megapixels_are_those_of_a_square_image_in_all_views(tmp_path: Path) -> None:
    report = toy_report(tmp_path, "1crop", "10crop", "fullconv")
    seen = {entry.row["protocol"]: entry.megapixels * 1e6 for entry in report.entries}
    crop, whole = 4 * 4, 5 * 5
    assert seen == pytest.approx({"1crop": crop, "10crop": 10 * crop, "fullconv": 2 * whole})


def test_a_report_of_all_runs_orders_them_by_images_network_and_views(tmp_path: Path) -> None:
    report = toy_report(tmp_path, "10crop", "fullconv", "1crop")
    assert [entry.row["protocol"] for entry in report.entries] == ["1crop", "fullconv", "10crop"]


def test_runs_that_differ_in_precision_or_pixels_alone_are_told_from_each_other(tmp_path: Path) -> None:
    """Else a page would show ``1crop to 1crop``, and two rows with the same text."""
    logits, question = scores(50, 10, 1), {"question": {"loader": "ffcv:lossy"}}
    asked = saved(tmp_path, "net-1crop-x-aaa", logits)
    manifest = json.loads((asked / "manifest.json").read_text())
    saved(tmp_path, "net-1crop-x-bbb", logits, numerics={**manifest["numerics"], "precision": "bf16"})
    saved(tmp_path, "net-1crop-x-ccc", logits, asked={**manifest["asked"], "loader": "ffcv:lossy", **question})
    saved(tmp_path, "net-10crop-x-ddd", logits, protocol__label="10crop")
    report = read(
        sources(tmp_path, tuple(f"net-{name}" for name in ("1crop-x-aaa", "1crop-x-bbb", "1crop-x-ccc", "10")))
    )
    assert [runs.pair_words(p.before, p.after, network=False) for p in report.pairs] == [
        "1crop fp32 to 1crop bf16",
        "1crop exact pixels to 1crop ffcv:lossy",
        "1crop to 10crop",
    ]
    assert [cell.text for cell in runs.pairs(report).rows[0][:2]] == ["resnet50 1crop fp32", "resnet50 1crop bf16"]
    assert report.entries[2].numerics == "fp32, cpu, ffcv:lossy, not exact"
    rows = {tuple(cell.text for cell in row[:-3]) for row in runs.calibrations(report).rows}
    assert len(rows) == len(report.entries), "each row says which run it is of"


def test_a_user_decides_what_is_compared_with_what(tmp_path: Path) -> None:
    two_runs(tmp_path)
    for first, second in ((A, B), (B, A)):
        (pair,) = read(sources(tmp_path, (first, second))).pairs
        assert (pair.before.run_id, pair.after.run_id) == (first, second)


def pairs_by_hand(entries: list[Entry]) -> list[tuple[str, str]]:
    """The documented rule: of earlier runs on its images the first of its network, else its protocol, else of all."""
    made = []
    for i, entry in enumerate(entries):
        before = [e for e in entries[:i] if e.data == entry.data]
        for like in (
            [e for e in before if e.network == entry.network],
            [e for e in before if e.row["protocol"] == entry.row["protocol"]],
            before,
        ):
            if like:
                made.append((like[0].run_id, entry.run_id))
                break
    return made


def test_each_run_is_compared_with_the_nearest_kin_before_it(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for i in range(14):
        more = {
            "architecture__name": f"resnet{rng.choice([18, 50])}",
            "protocol__label": str(rng.choice(["1crop", "10crop", "multicrop"])),
            "dataset__digest": str(rng.choice(["one", "other"])),
        }
        saved(tmp_path, f"net-p-x-{i:02d}", scores(20, 10, i), **more)
    names = [f"net-p-x-{i:02d}" for i in rng.permutation(14)]
    report = read(sources(tmp_path, names))
    found = [(pair.before.run_id, pair.after.run_id) for pair in report.pairs]
    assert sorted(found) == sorted(pairs_by_hand(list(report.entries)))
    assert len(found) == 12, "of each set of images all but the first"
    for data in ("one", "other"):
        mine = [pair for pair in report.pairs if pair.before.data == data]
        assert [p.p_holm for p in mine] == pytest.approx(significance.holm([p.comparison.top1.p for p in mine]))


def test_the_images_that_changed_most_come_first_with_their_answers(tmp_path: Path) -> None:
    two_runs(tmp_path)
    report = read(sources(tmp_path, (A, B)))
    a, b = (comparison.open_run(tmp_path, name).columns for name in (A, B))
    slow = []
    for i in range(len(a["id"])):
        wrong = a["rank"][i] > 0, b["rank"][i] > 0
        if wrong[0] != wrong[1]:
            gain = abs(b["probability_true"][i] - a["probability_true"][i])
            first = [(int(c), float(p)) for c, p in zip(b["top5"][i][:3], b["probability5"][i][:3], strict=True)]
            slow.append((-gain, i, (str(a["id"][i]), bool(wrong[0]), tuple(first))))
    (pair,) = report.pairs
    assert [(c.id, c.fixed, c.after) for c in pair.changed] == [
        line for _, _, line in sorted(slow, key=lambda s: s[:2])
    ]
    assert len(pair.changed) == pair.comparison.top1.fixed + pair.comparison.top1.broken > 10


def test_many_pairs_share_the_room_for_images_and_the_last_have_no_details(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "DETAILED", 3)
    monkeypatch.setattr(content, "IMAGES", 12)
    for i in range(6):
        saved(tmp_path, f"net-p-x-{i}", scores(200, 10, i), protocol__label=f"multicrop:grid={i + 2}")
    report = read(sources(tmp_path, ()))
    assert [len(pair.changed) for pair in report.pairs] == [4, 4, 4, 0, 0]


def test_runs_on_other_images_are_not_compared_unless_a_file_asks_and_then_refused(tmp_path: Path) -> None:
    two_runs(tmp_path)
    saved(tmp_path, "resnet50-other-x-ccc", scores(30, 10, 3), dataset__digest="other")
    report = read(sources(tmp_path, ()))
    assert len(report.entries) == 3
    assert len(report.pairs) == 1
    assert sorted(len(group) for group in report.groups()) == [1, 2]
    path = tmp_path / "compared.json"
    path.write_text(json.dumps({"comparisons": [{"before": A, "after": "resnet50-other-x-ccc"}]}))
    with pytest.raises(DataError, match="compared image by image"):
        read(sources(tmp_path, (str(path),)))


def test_a_pair_that_a_file_asks_for_is_not_made_twice(tmp_path: Path) -> None:
    two_runs(tmp_path)
    path = tmp_path / "compared.json"
    path.write_text(json.dumps({"comparisons": [{"before": A, "after": B}]}))
    assert len(read(sources(tmp_path, (A, B, str(path)))).pairs) == 1


def test_what_a_ladder_leaves_over_is_exact_and_lies_at_its_ends(tmp_path: Path) -> None:
    two_runs(tmp_path)
    first, second = [row for row in ledger.load() if row.error is not None and row.k == 1][:2]
    extra = {"printed_before": first.id, "printed_after": second.id}
    (ladder,) = read(sources(tmp_path, (str(ladder_file(tmp_path, A, B, **extra)),))).ladders
    errors = [Fraction(entry.row["top1_errors"], 200) * 100 for entry in ladder.entries]
    assert ladder.gaps == (errors[0] - Fraction(str(first.error)), Fraction(str(second.error)) - errors[1])
    steps = sum(100 * pair.comparison.top1.change for pair in ladder.pairs)
    assert Fraction(str(first.error)) + ladder.left_over + steps == Fraction(str(second.error))


def test_a_ladder_without_printed_figures_leaves_nothing_over(tmp_path: Path) -> None:
    two_runs(tmp_path)
    report = read(sources(tmp_path, (str(ladder_file(tmp_path, A, B, A)),)))
    (ladder,) = report.ladders
    assert ladder.left_over == 0
    assert report.pairs == ()
    there, back = (pair.comparison.top1.change for pair in ladder.pairs)
    assert there == -back != 0
    assert len(report.entries) == 2


def test_classes_have_numbers_until_their_names_are_known(tmp_path: Path) -> None:
    report = two_runs(tmp_path)
    assert report.class_name(report.entries[0], 3) == "class 3"
