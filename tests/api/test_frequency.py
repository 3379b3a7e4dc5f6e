"""Tests of ``benchsuite.explain(..., frequency=True)``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from wave_pictures import CATALOG, N

import benchsuite
from benchsuite import BadParameter
from benchsuite.api.frequency import FrequencyExplanation, PlannedFrequency

HERE: Any = {"catalog": CATALOG, "data": "waves", "device": "cpu", "progress": False}
RADII: Any = {"radii": [4, 8], "radius": 8}


def test_a_plan_computes_nothing() -> None:
    planned = benchsuite.explain("waves", frequency=True, plan=True, **RADII, **HERE)
    assert isinstance(planned, PlannedFrequency)
    assert planned.record["radii"] == [4, 8]
    assert not planned.table["finished"].any()
    assert repr(planned).splitlines()[0].startswith(f"{len(planned.table)} runs, 0 of them finished already")
    assert benchsuite.load_runs().empty


def test_a_run_and_its_network_are_analysed_alike(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    named = benchsuite.explain("waves", frequency=True, html=page, **RADII, **HERE)
    run = benchsuite.evaluate("waves", **HERE)
    given = benchsuite.explain(run, frequency=True, radii="4,8", radius="8", catalog=CATALOG, progress=False)
    assert isinstance(named, FrequencyExplanation)
    assert isinstance(given, FrequencyExplanation)
    assert given.found == named.found
    assert page in named.files
    assert page not in given.files
    assert "Which spatial frequencies does waves use?" in page.read_text(encoding="utf-8")
    assert named.table["radius"].tolist() == [4, 8]
    assert named.table["n"].tolist() == [N, N]
    assert named.energies.iloc[-1].tolist() == pytest.approx([1] * named.energies.shape[1])
    assert f"of {N:,} images" in repr(named).splitlines()[0]


@pytest.mark.parametrize(
    ("names", "options", "said"),
    [
        (("waves",), {"frequency": True, "start": "1crop"}, "--from to be used only without --frequency"),
        (("waves",), {"radii": [4]}, "--radii to be used only with --frequency"),
        (("waves",), {"frequency": True, "radii": [4, -1]}, "whole numbers of waves per side, 0 or more, got -1"),
        (("waves",), {"frequency": True, "radii": [4, 4]}, "different numbers, got 4 twice"),
        (("some-run",), {"frequency": True, "limit": 9}, "--limit to be used only with a network"),
        ((), {"frequency": True}, "used with one run or one network"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(names: tuple[str, ...], options: dict[str, Any], said: str) -> None:
    with pytest.raises(BadParameter) as caught:
        benchsuite.explain(*names, catalog=CATALOG, progress=False, **options)
    assert said in str(caught.value)
