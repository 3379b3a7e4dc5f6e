"""Tests of trainings in a report: their epochs are counted again, and contradictory data is an error."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from finished_reports import NASTY, Page
from finished_runs import saved, scores
from finished_trainings import correct, learned

from benchsuite import DataError, StorageError
from benchsuite.report import export, training_content
from benchsuite.report.content import read
from benchsuite.report.html.page import page
from benchsuite.report.plots import figures
from benchsuite.report.sources import sources
from benchsuite.report.summary import summary
from benchsuite.report.tables import trainings


def smoothed_by_hand(right: np.ndarray, batch_size: int) -> list[float]:
    """0.7 of the previous value plus 0.3 of each full batch, over all epochs; 0 at the start."""
    value, found = 0.0, []
    for row in right:
        for start in range(0, len(row) - batch_size + 1, batch_size):
            value = 0.7 * value + 0.3 * row[start : start + batch_size].mean()
        found.append(value)
    return found


@pytest.mark.parametrize(("n", "batch_size"), [(100, 10), (103, 10), (7, 3), (30, 30)])
def test_each_epoch_is_counted_exactly_and_smoothed_as_the_loop_does(tmp_path: Path, n: int, batch_size: int) -> None:
    right = correct(6, n)
    found = training_content.read(learned(tmp_path, "a", right, batch_size))
    assert [e.test.hits for e in found.epochs] == [int((~row).sum()) for row in right]
    assert {e.test.total for e in found.epochs} == {n}
    np.testing.assert_allclose(
        [float(e.smoothed) for e in found.epochs], smoothed_by_hand(right, batch_size), rtol=1e-12
    )
    assert found.row["top1_errors"] == found.epochs[-1].test.hits
    assert found.row["as_source"] == found.manifest["as_source"]


@pytest.mark.parametrize("spoil", ["correct", "epochs", "last", "fewer"])
def test_a_training_that_contradicts_itself_is_refused(tmp_path: Path, spoil: str) -> None:
    folder = learned(tmp_path, "a", correct(4, 40))
    other = learned(tmp_path / "other", "a", correct(3 if spoil == "fewer" else 4, 40, seed=1))
    manifest = json.loads((folder / "manifest.json").read_text())
    if spoil == "last":
        manifest["last"]["test_errors"] += 1
        (folder / "manifest.json").write_text(json.dumps(manifest))
    else:
        name = "epochs.parquet" if spoil == "epochs" else "correct.npz"
        (folder / name).write_bytes((other / name).read_bytes())
    with pytest.raises(DataError, match="test errors of a"):
        training_content.read(folder)


def test_a_training_that_is_not_finished_is_no_result(tmp_path: Path) -> None:
    folder = learned(tmp_path, "a", correct(2, 40))
    (folder / "manifest.json").unlink()
    with pytest.raises(StorageError, match="finished"):
        training_content.read(folder)
    with pytest.raises(StorageError, match="one with a run in it"):
        sources(tmp_path, ())


def test_the_number_that_the_source_prints_is_counted_again(tmp_path: Path) -> None:
    folder = learned(tmp_path, "a", correct(4, 40), accounting="exact-best")
    manifest = json.loads((folder / "manifest.json").read_text())
    wanted = manifest["as_source"]
    manifest["as_source"] = {**wanted, "top1_error": 1.0}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert training_content.read(folder).row["as_source"] == wanted


def test_a_report_holds_runs_and_trainings_or_trainings_alone(tmp_path: Path) -> None:
    learned(tmp_path, "pnn-b", correct(4, 40))
    learned(tmp_path, "pnn-a", correct(4, 40, seed=1))
    alone = read(sources(tmp_path, ()))
    assert [one.run_id for one in alone.trainings] == ["pnn-a", "pnn-b"]
    assert alone.entries == ()
    saved(tmp_path, "resnet50-1crop-x-aaa", scores(50, 10, 1))
    both = read(sources(tmp_path, ()))
    assert (len(both.entries), len(both.trainings)) == (1, 2)
    chosen = read(sources(tmp_path, ("pnn-b", "resnet50", "pnn-b")))
    assert [one.run_id for one in chosen.trainings] == ["pnn-b"]
    for report in (alone, both, chosen):
        made = Page(page(report, title="t", pictures={}))
        assert made.faults == []
        assert "Training" in made.text
        assert len([e for e in made.named("path") if "course" in e.get("class", "")]) == 2 * 2 * len(report.trainings)


def test_the_table_says_what_was_counted_and_what_would_have_been_printed(tmp_path: Path) -> None:
    right = correct(5, 60)
    found = [training_content.read(learned(tmp_path, "a", right, heldout=[9, 8, 3, 4, 5]))]
    sheet = trainings.trainings(found)
    cells = dict(zip((c.title for c in sheet.columns), (cell.text for cell in sheet.rows[0]), strict=True))
    exact, epoch = (~right[-1]).sum(), int(np.argmax(smoothed_by_hand(right, 10)))
    assert cells["top-1 error %"] == f"{100 * exact / 60:.2f}"
    assert cells["parameters"] == "1234"
    assert cells["best held-out %"] == f"{100 * (~right[2]).sum() / 60:.2f} (epoch 3)"
    assert cells["counted as its source %"].endswith(f"(epoch {epoch + 1})")
    assert "mini" in sheet.remarks[0]
    others = trainings.accountings(found)
    counted = dict(zip((c.title for c in others.columns), (cell.text for cell in others.rows[0]), strict=True))
    assert counted["exact-best"] == f"{100 * right.mean(axis=1).max():.2f}"
    assert counted["smoothed-best"] == f"{100 * max(smoothed_by_hand(right, 10)):.2f}"
    assert "truncated-best-after-10" not in counted, "five epochs are too few for it: no empty column"
    assert len(trainings.epochs(found[0]).rows) == 5


def test_seeds_of_a_recipe_are_one_line_with_their_mean_and_range(tmp_path: Path) -> None:
    rights = [correct(5, 200, seed) for seed in range(3)]
    other = {"architecture": {"name": "lbcnn", "parameters": 7, "frozen": 0, "masks": 0}}
    found = [training_content.read(learned(tmp_path, f"run{i}", right)) for i, right in enumerate(rights)]
    found.append(training_content.read(learned(tmp_path, "other", correct(5, 200, 9)[:, ::-1], **other)))
    sheet = trainings.seeds(found)
    lines = {line[1].text: [cell.text for cell in line] for line in sheet.rows}
    assert set(lines) == {"pnn:level=0.1", "lbcnn"}
    errors = [100 * float((~right[-1]).mean()) for right in rights]
    above = [100 * max(smoothed_by_hand(right, 10)) - 100 * float(right[-1].mean()) for right in rights]
    _, _, parameters, masks, seeds, mean, least, greatest, inflated = lines["pnn:level=0.1"]
    assert (parameters, masks, seeds) == ("1234", "56", "3")
    assert float(mean) == pytest.approx(sum(errors) / 3, abs=0.006)
    assert (float(least), float(greatest)) == (min(errors), max(errors))
    assert float(inflated.replace("\N{MINUS SIGN}", "-")) == pytest.approx(sum(above) / 3, abs=0.006)
    assert [line[5].value for line in sheet.rows] == sorted(line[5].value for line in sheet.rows)


def test_a_curve_marks_the_last_exact_and_the_best_smoothed_epoch(tmp_path: Path) -> None:
    right = correct(6, 100)
    one = training_content.read(learned(tmp_path, "a", right, heldout=[9, 8, 7, 6, 5, 4]))
    exact, smoothed, heldout = figures.course(one).lines
    assert [y for _, y in exact.points] == pytest.approx(100 * right.mean(axis=1))
    assert [y for _, y in smoothed.points] == pytest.approx(100 * np.array(smoothed_by_hand(right, 10)))
    assert [y for _, y in heldout.points] == [82, 84, 86, 88, 90, 92]
    assert (exact.marked, smoothed.marked) == (5, int(np.argmax(smoothed_by_hand(right, 10))))


def test_the_summary_says_by_how_much_smoothing_differs(tmp_path: Path) -> None:
    learned(tmp_path, "a", correct(6, 100))
    report = read(sources(tmp_path, ()))
    (one,) = report.trainings
    points = 100 * (max(e.smoothed for e in one.epochs) - Fraction(int(correct(6, 100)[-1].sum()), 100))
    assert f"{float(points):+.2f} points" in summary(report)


def test_papers_and_files_hold_trainings_too(tmp_path: Path) -> None:
    learned(tmp_path, "a", correct(3, 40), architecture={"name": "=1|x&", "parameters": 1, "frozen": 0, "masks": 0})
    report = read(sources(tmp_path, ()))
    text = export.markdown(report, "t")
    assert r"=1\|x\&" in text
    assert "The same epochs" in text
    assert r"=1|x\&" not in export.latex(report, "t").replace(r"\textbar{}", "")
    lines = export.as_csv(report).splitlines()
    assert [line.partition(",")[0] for line in lines[1:]] == ["training", "epoch", "epoch", "epoch"]
    assert ",'=1|x&," in lines[1]
    made = export.as_json(report)["trainings"][0]
    assert made["course"][2]["test_errors"] == made["top1_errors"]


def test_the_nastiest_names_stay_text(tmp_path: Path) -> None:
    for number, name in enumerate(NASTY):
        sizes = {"name": name.replace("\udcff", "?"), "parameters": 1, "frozen": 0, "masks": 0}
        learned(tmp_path, f"run-{number:02d}", correct(2, 20), architecture=sizes)
    made = Page(page(read(sources(tmp_path, ())), title="t", pictures={}))
    assert made.faults == []
    assert len(made.named("script")) == 1


def test_watched_errors_are_a_table_over_seeds_and_a_line_each(tmp_path: Path) -> None:
    errors = {"lowpass r=4": [[20, 16], [18, 10]], "lowpass r=8": [[9, 4], [7, 3]]}
    both = [
        training_content.read(
            learned(tmp_path, f"pnn-{i}", correct(2, 30), watched={name: runs[i] for name, runs in errors.items()})
        )
        for i in range(2)
    ]
    plain = training_content.read(learned(tmp_path, "pnn-plain", correct(2, 30)))
    assert plain.epochs[-1].watched == {}
    sheet = trainings.watched([*both, plain])
    (row,) = sheet.rows
    cells = dict(zip((column.title for column in sheet.columns), (cell.text for cell in row), strict=True))
    assert cells["seeds"] == "2"
    assert cells["lowpass r=4 %"] == "65.0 [50.0, 80.0]"
    assert cells["lowpass r=8 %"] == "17.5 [15.0, 20.0]"
    drawn = figures.watched(both[0])
    assert [(line.label, line.points) for line in drawn.lines] == [
        ("lowpass r=4", ((1.0, 100.0), (2.0, 80.0))),
        ("lowpass r=8", ((1.0, 45.0), (2.0, 20.0))),
    ]
