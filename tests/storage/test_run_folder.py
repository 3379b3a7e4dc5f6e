"""Predictions: one row per sample, asserted; runs that are whole or absent."""

from __future__ import annotations

import errno
import json
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.special

from benchsuite import BenchsuiteError, Combine, Sample, StorageError, UnknownName
from benchsuite.evaluation.predictions import count, join, rows
from benchsuite.storage.run_folder import COLUMNS, find_run, read_manifest, read_predictions, runs_in, write_run

PROB, LOGIT = Combine("mean", "prob"), Combine("mean", "logit")
MANIFEST = {"run_id": "a-1", "note": "größer", "n": 6}


def samples(n: int, classes: int = 7) -> tuple[Sample, ...]:
    return tuple(Sample(f"id-{i:03d}", (3 * i) % classes, f"file {i}") for i in range(n))


def columns(n: int = 6, classes: int = 7, how: Combine = LOGIT, seed: int = 0) -> dict[str, Any]:
    scores = np.random.default_rng(seed).normal(size=(n, classes))
    return rows(samples(n, classes), scores if how.space == "logit" else scipy.special.softmax(scores, axis=1), how)


def saved(results: Path, name: str, n: int = 6) -> Path:
    folder = results / "runs" / name
    write_run(folder, MANIFEST | {"run_id": name}, columns(n))
    return folder


def test_a_row_says_what_can_be_computed_by_hand() -> None:
    """Scores 2, 1, 0 in logits: probabilities e^2, e, 1 over their sum; the true class is 1, second by 1."""
    made = rows((Sample("x", 1, "here"),), np.array([[2.0, 1.0, 0.0]]), LOGIT)
    e = np.exp([2.0, 1.0, 0.0]) / np.exp([2.0, 1.0, 0.0]).sum()
    assert tuple(made) == COLUMNS
    assert made["id"] == ["x"]
    assert made["label"].tolist() == [1]
    assert made["rank"].tolist() == [1]
    assert made["top5"].tolist() == [[0, 1, 2]]
    np.testing.assert_allclose(made["probability5"], [e], rtol=1e-14)
    np.testing.assert_allclose(made["probability_true"], [e[1]], rtol=1e-14)
    assert made["margin1"].tolist() == [-1.0]
    assert made["margin5"].tolist() == [np.inf]


@pytest.mark.parametrize("how", [PROB, LOGIT], ids=str)
def test_probabilities_are_normalised_whatever_the_space(how: Combine) -> None:
    logits = np.random.default_rng(0).normal(size=(6, 7))
    made = columns(how=how)
    twin = scipy.special.softmax(logits, axis=1)
    np.testing.assert_allclose(made["probability5"], -np.sort(-twin, axis=1)[:, :5], rtol=1e-12)
    np.testing.assert_allclose(
        made["probability_true"], [twin[i, s.label] for i, s in enumerate(samples(6))], rtol=1e-12
    )


def test_a_maximum_of_probabilities_is_normalised_too() -> None:
    made = rows((Sample("x", 0, ""),), np.array([[0.75, 0.5]]), Combine("max", "prob"))
    np.testing.assert_allclose(made["probability5"], [[0.6, 0.4]], rtol=1e-15)


def test_the_parts_of_a_run_join_in_the_order_of_the_split() -> None:
    every = samples(6)
    scores = np.random.default_rng(0).normal(size=(6, 7))
    parts = [rows(every[:4], scores[:4], LOGIT), rows(every[4:], scores[4:], LOGIT)]
    whole, at_once = join(parts, every), rows(every, scores, LOGIT)
    for name in COLUMNS:
        np.testing.assert_array_equal(whole[name], at_once[name])
        assert name == "id" or whole[name].dtype == at_once[name].dtype


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ([0, 1], "got 2 distinct of 2"),
        ([0, 1, 2, 2], "got 3 distinct of 4"),
        ([0, 1, 1], "got 2 distinct of 3"),
        ([0, 2, 1], "got 3 distinct of 3"),
        ([0, 1, 2, 3], "got 4 distinct of 4"),
    ],
    ids=["missing", "one too many", "doubled", "swapped", "foreign"],
)
def test_rows_that_are_not_those_of_the_split_are_refused(order: list[int], said: str) -> None:
    every = samples(4)
    parts = [rows((every[i],), np.zeros((1, 7)), LOGIT) for i in order]
    with pytest.raises(BenchsuiteError, match=f"^Expected one prediction for each of 3 samples, {said}"):
        join(parts, every[:3])


def test_counts_are_those_of_the_ranks_and_near_ties_those_within_the_tolerance() -> None:
    made = {
        "rank": np.array([0, 0, 1, 4, 5, 9]),
        "margin1": np.array([0.5, 1e-7, -1e-6, -0.5, -0.5, -0.5]),
        "margin5": np.array([np.inf, 0.5, 0.5, 0.0, -1e-9, -0.1]),
    }
    counted = {"n": 6, "top1_errors": 4, "top5_errors": 2, "top1_near_ties": 2, "top5_near_ties": 2}
    assert count(made, 1e-6) == counted
    assert count(made, 0.0) == counted | {"top1_near_ties": 0, "top5_near_ties": 1}
    assert all(type(value) is int for value in count(made, 0.0).values())


def test_a_run_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    made = columns()
    write_run(tmp_path, MANIFEST, made)
    assert read_manifest(tmp_path) == MANIFEST
    found = read_predictions(tmp_path)
    assert list(found.columns) == list(COLUMNS)
    for name in COLUMNS:
        np.testing.assert_array_equal(np.stack(found[name].to_numpy()), made[name])
    assert found["rank"].dtype == np.int32


def test_a_manifest_never_stands_beside_the_predictions_of_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path, MANIFEST, columns())

    def killed(self: Path, *args: Any, **kwargs: Any) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            write_run(tmp_path, MANIFEST, columns(seed=1))
    assert read_manifest(tmp_path) is None
    write_run(tmp_path, MANIFEST, columns(seed=1))
    assert read_manifest(tmp_path) == MANIFEST


def test_the_same_run_is_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_run(tmp_path / name, MANIFEST, columns())
    write_run(tmp_path / "one", MANIFEST, columns())
    for file in ("predictions.parquet", "manifest.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    before = (tmp_path / "one" / "predictions.parquet").read_bytes()
    write_run(tmp_path / "one", MANIFEST, columns(seed=1))
    assert (tmp_path / "one" / "predictions.parquet").read_bytes() != before


def test_a_manifest_without_predictions_is_no_run(tmp_path: Path) -> None:
    write_run(tmp_path, MANIFEST, columns())
    (tmp_path / "predictions.parquet").unlink()
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize("content", [None, "", "{", "[1]", '"text"', "\xff"])
def test_a_damaged_or_missing_manifest_is_no_run(tmp_path: Path, content: str | None) -> None:
    write_run(tmp_path, MANIFEST, columns())
    path = tmp_path / "manifest.json"
    path.unlink()
    if content is not None:
        path.write_bytes(content.encode("latin-1"))
    assert read_manifest(tmp_path) is None


def test_the_manifest_is_written_last_so_that_a_run_is_whole_or_absent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *args: object, **kwargs: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(StorageError, match=r"^Cannot write .*manifest\.json: No space left on device$"):
        write_run(tmp_path, MANIFEST, columns())
    assert read_manifest(tmp_path) is None
    assert [p.name for p in tmp_path.iterdir()] == ["predictions.parquet"]


def test_a_results_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(StorageError, match=r"^Cannot write .*results/runs/x/predictions\.parquet: "):
        write_run(tmp_path / "results" / "runs" / "x", MANIFEST, columns())


@pytest.mark.parametrize("content", [None, b"", b"PAR1 but not really"])
def test_predictions_that_cannot_be_read_are_one_line_with_the_file(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "predictions.parquet").write_bytes(content)
    with pytest.raises(StorageError, match=r"^Cannot read .*predictions\.parquet: ") as caught:
        read_predictions(tmp_path)
    assert "\n" not in str(caught.value)


def test_runs_are_listed_by_name(tmp_path: Path) -> None:
    assert runs_in(tmp_path) == []
    for name in ("b-run", "a-run"):
        saved(tmp_path, name)
    (tmp_path / "runs" / "no-run").mkdir()
    assert [p.name for p in runs_in(tmp_path)] == ["a-run", "b-run"]


def test_a_run_is_found_by_its_id_its_beginning_or_its_path(tmp_path: Path) -> None:
    first, second = saved(tmp_path, "net-1crop-digits-0a"), saved(tmp_path, "net-10crop-digits-0b")
    assert find_run(tmp_path, first.name) == first
    assert find_run(tmp_path, "net-10") == second
    assert find_run(tmp_path, "0a") == first, "a table of runs says no more of them"
    assert find_run(tmp_path / "elsewhere", str(second)) == second


def test_a_whole_id_wins_over_the_beginning_of_another(tmp_path: Path) -> None:
    short = saved(tmp_path, "net-1")
    saved(tmp_path, "net-12")
    assert find_run(tmp_path, "net-1") == short


def test_a_beginning_of_several_runs_is_ambiguous_and_names_them(tmp_path: Path) -> None:
    for name in ("net-1crop", "net-10crop"):
        saved(tmp_path, name)
    with pytest.raises(UnknownName, match=r"^Expected one run, got 2 that begin with 'net-1': net-10crop, net-1crop$"):
        find_run(tmp_path, "net-1")


def test_an_unknown_run_is_suggested_with_the_folder_that_was_searched(tmp_path: Path) -> None:
    saved(tmp_path, "net-1crop-digits-0a")
    with pytest.raises(UnknownName) as caught:
        find_run(tmp_path, "nett-1crop-digits-0a")
    assert str(caught.value) == (
        f"Unknown run 'nett-1crop-digits-0a': did you mean 'net-1crop-digits-0a'? (in {tmp_path / 'runs'})"
    )
    with pytest.raises(UnknownName, match="known: none"):
        find_run(tmp_path / "empty", "anything")


def test_a_manifest_is_readable_text(tmp_path: Path) -> None:
    write_run(tmp_path, MANIFEST, columns())
    text = (tmp_path / "manifest.json").read_text(encoding="utf-8")
    assert json.loads(text) == MANIFEST
    assert "größer" in text
    assert text.endswith("}\n")


def answer_by_hand(scores: list[float], among: list[int], label: int) -> tuple[int, list[int], float]:
    """The rank of the label, the five best classes and the label's softmax, over the classes of ``among`` alone."""
    order = sorted(range(len(among)), key=lambda i: (-scores[i], among[i]))
    best = [among[i] for i in order]
    total = sum(math.exp(s) for s in scores)
    return best.index(label), best[:5], math.exp(scores[among.index(label)]) / total


@pytest.mark.parametrize("seed", range(4))
def test_answers_among_some_classes_are_those_of_a_plain_loop(seed: int) -> None:
    random = np.random.default_rng(seed)
    among = sorted(random.choice(50, 9, replace=False).tolist())
    scores = random.integers(-2, 3, (30, 9)).astype(float)  # many ties
    chosen = [Sample(f"{i:02d}", among[i % 9], "") for i in range(30)]
    found = rows(chosen, scores, LOGIT, tuple(among))
    for i, sample in enumerate(chosen):
        rank, top5, probability = answer_by_hand(scores[i].tolist(), among, sample.label)
        assert (found["rank"][i], found["top5"][i].tolist()) == (rank, top5)
        assert found["probability_true"][i] == pytest.approx(probability)
    assert ((found["margin1"] > 0) <= (found["rank"] == 0)).all()
    assert ((found["margin1"] < 0) <= (found["rank"] > 0)).all()
    assert found["label"].tolist() == [s.label for s in chosen]


def test_reassessed_labels_are_counted_on_their_own_and_kept(tmp_path: Path) -> None:
    real: list[tuple[int, ...]] = [(0,), (1, 2), (), (5, 0), (3,)]
    chosen = [Sample(f"{i}", 0, "", real=r) for i, r in enumerate(real)]
    answers = [0, 2, 0, 1, 3]
    found = rows(chosen, np.eye(6)[answers], LOGIT)
    assert found["real"] == [True, True, None, False, True]
    halves = [rows(chosen[part], np.eye(6)[answers][part], LOGIT) for part in (slice(0, 2), slice(2, 5))]
    whole = join(halves, chosen)
    assert whole["real"] == found["real"]
    counted = count(whole, 1e-9)
    assert (counted["n"], counted["top1_errors"], counted["real_n"], counted["real_errors"]) == (5, 3, 4, 1)
    write_run(tmp_path, MANIFEST, whole)
    assert read_predictions(tmp_path)["real"].tolist() == found["real"]


def test_without_reassessed_labels_there_is_no_such_column_and_count() -> None:
    found = columns()
    assert tuple(found) == COLUMNS
    assert not {"real_n", "real_errors"} & set(count(found, 1e-9))
