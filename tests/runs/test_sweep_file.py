"""Tests of sweep files: every combination, and errors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from toy_evaluation import TOY_SWEEP, WITH_ENTRY_POINTS

from benchsuite import BadParameter, DataError, UnknownName
from benchsuite.evaluation.question import TOLERANCE
from benchsuite.runs.sweep_file import SweepCell, jobs, parse, read


def test_cells_are_every_combination_and_those_of_one_network_are_one_lot() -> None:
    found = parse("s", {**TOY_SWEEP, "seed": [0, 1, 2], "precision": ["fp32", "bf16"], "limit": 4}, WITH_ENTRY_POINTS)
    assert len(found.cells) == len(set(found.cells)) == 2 * 3 * 2
    made = jobs(found, found.cells, Path("r"), fresh=False)
    assert [len(job.cells) for job in made] == [2] * 6
    assert made[0].request.protocols == ("1crop", "10crop")
    assert made[0].request.weights is None
    assert made[0].request.limit == 4
    assert len({repr(job.request) for job in made}) == 6
    assert found.cells[-1].label == "toy 10crop toy precision=bf16 seed=2"
    assert SweepCell("a", "b", "", "", "", "auto", "torch", 0, "p").label == "a p b"


def test_transforms_are_an_axis_and_those_of_one_cell_are_applied_in_order() -> None:
    changes = ["", "redder", "redder:by=3; redder;"]
    found = parse("s", {**TOY_SWEEP, "transform": changes}, WITH_ENTRY_POINTS)
    made = jobs(found, found.cells, Path("r"), fresh=False)
    assert [job.request.transforms for job in made] == [(), ("redder",), ("redder:by=3", "redder")]
    assert [len(job.cells) for job in made] == [2] * 3
    assert [c.label for c in found.cells][::2] == [
        "toy 1crop toy",
        "toy 1crop toy transform=redder",
        "toy 1crop toy transform=redder:by=3; redder;",
    ]
    unchanged = parse("s", {**TOY_SWEEP, "transform": changes, "skip": [{"transform": "*?"}]}, WITH_ENTRY_POINTS)
    assert {c.transform for c in unchanged.cells} == {""}


def test_skipped_cells_match_every_pattern_of_a_table() -> None:
    about = {**TOY_SWEEP, "architectures": ["toy", "resnet20"], "skip": [{"architecture": "res*", "protocol": "10*"}]}
    found = parse("s", about, WITH_ENTRY_POINTS)
    assert [(c.architecture, c.protocol) for c in found.cells] == [
        ("toy", "1crop"),
        ("toy", "10crop"),
        ("resnet20", "1crop"),
    ]
    with pytest.raises(BadParameter, match="every cell skipped"):
        parse("s", {**TOY_SWEEP, "skip": [{"data": "*"}]}, WITH_ENTRY_POINTS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": "1crop"}, "did you mean 'protocols'"),
        ({"architectures": ["toyy"]}, "did you mean 'toy'"),
        ({"architectures": []}, "an empty list"),
        ({"architectures": ["toy", "toy"]}, "toy twice"),
        ({"protocols": ["1crop", "10crops"]}, "did you mean '10crop'"),
        ({"protocols": ["10crop:sice=3"]}, "did you mean 'resize'"),
        ({"data": "toi"}, "did you mean 'toy'"),
        ({"loader": "tortch"}, "did you mean 'torch'"),
        ({"precision": "fp61"}, "did you mean 'fp16'"),
        ({"seed": "1"}, "a whole number"),
        ({"seed": True}, "a whole number"),
        ({"limit": 1.5}, "a whole number"),
        ({"limit": "4"}, "got '4' (s.toml)"),
        ({"limit": 0}, "limit to be at least 1, got 0 (s.toml)"),
        ({"workers": -1}, "workers to be at least 0"),
        ({"processes": 0}, "processes to be at least 1"),
        ({"protocols": ["10crop", "1crop", "10crop:flip=true"]}, "different, got 10crop and 10crop:flip=true"),
        ({"weights": 3}, "weights to be text"),
        ({"transform": 3}, "transform to be text"),
        ({"transform": ["", "reder"]}, "did you mean 'redder'"),
        ({"transform": "redder; redder:by=x"}, "by to be a whole number, got x"),
        ({"transform": ["redder", "redder:by=2"]}, "each of transform to be different, got redder and redder:by=2"),
        ({"transforms": "redder"}, "did you mean 'transform'"),
        ({"skip": {"protocol": "1crop"}}, "[[skip]]"),
        ({"skip": [{"protocols": "1crop"}]}, "did you mean 'protocol'"),
        ({"slurm": 3}, "[slurm]"),
        ({"precision": "tf23"}, "did you mean 'tf32'"),
    ],
    ids=lambda v: json.dumps(v) if isinstance(v, dict) else "",
)
def test_what_a_file_may_not_say_is_refused_before_any_work(change: dict[str, Any], said: str) -> None:
    with pytest.raises((BadParameter, UnknownName)) as raised:
        parse("s", {**TOY_SWEEP, **change}, WITH_ENTRY_POINTS)
    assert said in str(raised.value)
    assert "\n" not in str(raised.value)


def test_files_that_are_no_sweeps_are_one_line(tmp_path: Path) -> None:
    for content in (None, b"architectures = [", b"\xff"):
        path = tmp_path / "file.toml"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(DataError, match=r"a TOML file, got .*file\.toml"):
            read(path, WITH_ENTRY_POINTS)
    with pytest.raises(BadParameter, match="architectures"):
        parse("s", {}, WITH_ENTRY_POINTS)


def test_every_precision_of_run_is_one_of_a_sweep() -> None:
    names = ["auto", *TOLERANCE]
    assert [
        c.precision
        for c in parse("s", {**TOY_SWEEP, "protocols": "1crop", "precision": names}, WITH_ENTRY_POINTS).cells
    ] == names


def test_a_file_from_windows_is_read(tmp_path: Path) -> None:
    path = tmp_path / "file.toml"
    path.write_bytes(b'\xef\xbb\xbfarchitectures = "toy"\r\ndata = "toy"\r\n')
    assert [cell.architecture for cell in read(path, WITH_ENTRY_POINTS).cells] == ["toy"]


def test_the_example_of_the_documentation_is_read_and_its_keys_are_all_there() -> None:
    import re
    import tomllib

    from benchsuite.runs.sweep_file import AXES, FIXED, PLACES

    page = (Path(__file__).resolve().parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```toml\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    found = parse("crops", tomllib.loads(example), WITH_ENTRY_POINTS)
    assert len(found.cells) == 3 * 3 * 2 * 2 - 4
    assert set(found.places) == set(PLACES)
    table = page[page.index("| Key |") :]
    for key in (*AXES, *FIXED):
        assert f"`{key}`" in table
