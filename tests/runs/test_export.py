"""Tests of ``benchsuite export``: which runs, which reporter with which options, and what is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from exported_runs import A, B, of_imagenet

from benchsuite import (
    BadParameter,
    Catalog,
    FinishedRun,
    Reporter,
    StorageError,
    UnknownName,
    hookimpl,
    load_plugins,
)
from benchsuite.runs.export import export, finished
from benchsuite.stats.metrics import Count
from benchsuite.stats.significance import wilson


def lines(runs: Sequence[FinishedRun], *, mark: str = "-", times: int = 1) -> str:
    return "".join(f"{mark * times}{run.row['run_id']}\n" for run in runs)


def sent(runs: Sequence[FinishedRun], place: str | None, *, room: str = "main") -> Iterator[str]:
    return (f"{run.folder.name} in {place}/{room}" for run in runs)


class Own:
    """A plugin of somebody else."""

    __name__ = "own"

    @hookimpl
    def benchsuite_reporters(self) -> list[Reporter]:
        return [
            Reporter("lines", None, "Ids.", export=lines),
            Reporter("store", None, "A store.", send=sent),
            Reporter("plain", lambda rows: f"{len(rows)} rows\n", "A text of rows."),
        ]


RESULTS = Path(__file__).resolve().parents[2] / "results"

CATALOG: Catalog = load_plugins(entry_points=False, extra=[Own()])


@pytest.fixture
def results(tmp_path: Path) -> Path:
    of_imagenet(tmp_path, A)
    of_imagenet(tmp_path, B)
    return tmp_path


def exported(results: Path, to: str, *names: str, out: str | None = None) -> Any:
    return export(names, to, out, results, CATALOG)


def test_every_run_is_exported_if_none_is_named_and_a_named_one_once(results: Path) -> None:
    assert exported(results, "lines").text == f"-{B}\n-{A}\n"
    assert exported(results, "lines", A, "bbb", str(results / "runs" / A)).text == f"-{A}\n-{B}\n"


def test_options_of_a_plugin_are_typed_after_its_name(results: Path) -> None:
    assert exported(results, "lines:mark=*,times=3", A).text == f"***{A}\n"
    assert exported(results, "store:room=two", A, out="x").lines == (f"{A} in x/two",)
    assert exported(results, "store", A).text is None


@pytest.mark.parametrize("to", ["csv", "model-index"])
def test_every_committed_run_can_be_exported(to: str) -> None:
    folders = sorted({path.parents[2] for path in RESULTS.glob("*/runs/*/manifest.json")})
    assert len(folders) > 3
    for folder in folders:
        made = export((), to, None, folder, CATALOG)
        assert made.text is not None
        assert all(f"{run.row['run_id']}" in made.text for run in made.runs)


def test_a_reporter_of_rows_exports_too(results: Path) -> None:
    assert exported(results, "plain").text == "2 rows\n"


@pytest.mark.parametrize(
    ("to", "kind", "said"),
    [
        ("lines:times=x", BadParameter, "Expected times to be a whole number, got x"),
        ("lines:sign=x", BadParameter, "Unknown option of lines 'sign'"),
        ("plain:a=1", BadParameter, "Expected the reporter plain to be written without options"),
        ("line", UnknownName, "Unknown reporter 'line': did you mean 'lines'?"),
    ],
)
def test_a_wrong_reporter_is_one_line(results: Path, to: str, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind) as error:
        exported(results, to)
    assert said in str(error.value)


def test_a_reporter_that_does_nothing_is_refused() -> None:
    with pytest.raises(BadParameter, match="Expected the reporter idle to be one with render, export or send"):
        Reporter("idle", None, "Nothing.")


def test_a_run_that_does_not_exist_and_a_folder_without_runs_are_refused(results: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown run 'ddd'"):
        exported(results, "lines", "ddd")
    with pytest.raises(StorageError, match="Expected the results folder to be one with a run in it"):
        exported(tmp_path / "none", "lines")


def test_a_file_is_written_whole_or_stays_as_it_was(results: Path, tmp_path: Path) -> None:
    out = tmp_path / "sub" / "out.txt"
    assert exported(results, "lines", A, out=str(out)).lines == (str(out),)
    with pytest.raises(UnknownName):
        exported(results, "lines", A, "ddd", out=str(out))
    assert out.read_text(encoding="utf-8") == f"-{A}\n"
    assert [path.name for path in out.parent.iterdir()] == ["out.txt"]


def test_the_rates_of_a_run_are_counts_with_wilsons_interval(results: Path) -> None:
    run = finished(results / "runs" / A)
    counts = run.manifest["counts"]
    assert [(rate.name, rate.errors, rate.n) for rate in run.rates] == [
        ("top1", counts["top1_errors"], 80),
        ("top5", counts["top5_errors"], 80),
    ]
    assert all(rate.interval == wilson(Count(rate.errors, rate.n)) for rate in run.rates)


def test_the_rate_by_reassessed_labels_is_there_if_an_image_has_one(results: Path) -> None:
    plain = finished(results / "runs" / A).manifest["counts"]
    for labelled, names in ((70, ["top1", "top5", "real"]), (0, ["top1", "top5"])):
        counts = plain | {"real_n": labelled, "real_errors": labelled // 7}
        run = finished(of_imagenet(results, A, counts=counts))
        assert [rate.name for rate in run.rates] == names
    assert run.row["real_n"] == 0
