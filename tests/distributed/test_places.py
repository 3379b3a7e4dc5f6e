"""Tests of the texts that name a place and its options."""

from __future__ import annotations

import pytest

from benchsuite import BadParameter, BenchsuiteError, UnknownName
from benchsuite.distributed import places
from benchsuite.distributed.places import Place, place


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both packages seem to be there."""
    monkeypatch.setattr(places, "package", lambda name: None)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("local", Place()),
        ("ray", Place("ray")),
        ("ray:host:6379", Place("ray", {"address": "host:6379"})),
        ("ray:host:6379,num_gpus=0.5", Place("ray", {"address": "host:6379", "num_gpus": 0.5})),
        ("ray:versions=any", Place("ray", {}, any_versions=True)),
        ("slurm:slurm_mem=4GB,slurm_use_srun=false", Place("slurm", {"slurm_mem": "4GB", "slurm_use_srun": False})),
    ],
)
def test_a_place_and_its_options(text: str, wanted: Place) -> None:
    assert place(text) == wanted


def test_options_in_the_text_beat_those_of_the_sweep_file() -> None:
    tables = {"ray": {"num_gpus": 2, "num_cpus": 8, "versions": "any"}, "slurm": {"timeout_min": 5}}
    assert place("ray:num_gpus=1", tables) == Place("ray", {"num_gpus": 1, "num_cpus": 8}, any_versions=True)
    assert place("ray:versions=same", tables).any_versions is False


@pytest.mark.parametrize("text", ["local:x=1", "slurm:gpu"])
def test_an_option_without_a_value_or_a_place_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match="Expected --on to be"):
        place(text)


def test_versions_are_the_same_or_any() -> None:
    with pytest.raises(BadParameter, match="versions of ray to be same or any, got none"):
        place("ray:versions=none")


def test_places_are_known_and_their_packages_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    with pytest.raises(UnknownName, match="did you mean 'slurm'"):
        place("slurmm")
    monkeypatch.setitem(__import__("sys").modules, "ray", None)
    with pytest.raises(BenchsuiteError, match=r"pip install 'benchsuite\[ray\]'"):
        place("ray")
