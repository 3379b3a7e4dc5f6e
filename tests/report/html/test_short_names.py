"""Tests of short names: no two are equal, none is longer than it must be, and the page says what they stand for."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from finished_reports import NETWORKS, Page, everything, two_runs
from finished_runs import saved, scores
from hypothesis import given
from hypothesis import strategies as st

from benchsuite.report.content import read
from benchsuite.report.html.page import page
from benchsuite.report.html.short_names import short_names, shortened
from benchsuite.report.sources import sources

options = st.dictionaries(st.sampled_from("abcd"), st.sampled_from("012"), max_size=4)
typed = st.builds(
    lambda base, given: base + (":" + ",".join(f"{k}={v}" for k, v in given.items()) if given else ""),
    st.sampled_from(("pnn", "lbcnn")),
    options.map(lambda given: dict(sorted(given.items()))),
)


@pytest.mark.parametrize(
    ("names", "short"),
    [
        (["resnet50"], ["resnet50"]),
        (["pnn:level=0.1,nfilters=8"], ["pnn"]),
        (["pnn:level=0.1,nfilters=8", "pnn:level=0.2,nfilters=8"], ["pnn:level=0.1", "pnn:level=0.2"]),
        (["pnn", "pnn:level=0.2,nfilters=8"], ["pnn", "pnn:level=0.2"]),
        (["a:x=1,y=1", "a:x=1,y=2", "a:x=2,y=1"], ["a:x=1,y=1", "a:x=1,y=2", "a:x=2,y=1"]),
        (["a:of=b(c=1,d=2),e=3", "b:e=4"], ["a", "b"]),
        (["a:", "a"], ["a:", "a"]),
        (["timm:resnet50.a1_in1k", "timm:resnet50.tv_in1k"], ["timm:resnet50.a1_in1k", "timm:resnet50.tv_in1k"]),
        (["timm:resnet50.a1_in1k:size=4"], ["timm:resnet50.a1_in1k"]),
    ],
)
def test_a_short_name_has_the_fewest_options_that_tell_networks_apart(names: list[str], short: list[str]) -> None:
    assert list(short_names(names).values()) == short


@given(st.lists(st.one_of(typed, st.text(":=,ab(", max_size=6)), max_size=8, unique=True))
def test_no_two_networks_have_the_same_short_name(names: list[str]) -> None:
    made = short_names(names)
    assert list(made) == names
    assert len(set(made.values())) == len(names)


@given(st.lists(typed, max_size=6, unique=True))
def test_no_smaller_set_of_options_would_do(names: list[str]) -> None:
    made = short_names(names)
    for base in ("pnn", "lbcnn"):
        family = [name for name in names if name.split(":")[0] == base]
        members = [dict(o.split("=") for o in name.partition(":")[2].split(",") if o) for name in family]
        shown = [made[name].partition(":")[2] for name in family]
        used = {option.split("=")[0] for text in shown for option in text.split(",") if option}
        for fewer in itertools.combinations("abcd", max(0, len(used) - 1)):
            told = {tuple(member.get(key) for key in fewer) for member in members}
            assert not used or len(told) < len(members)


def test_a_report_calls_networks_by_short_names_and_keeps_their_manifests(tmp_path: Path) -> None:
    report, _ = everything(tmp_path)
    short = shortened(report, short_names(NETWORKS))
    names = [one.row["architecture"] for one in short.trainings]
    assert names == ["lbcnn", "pnn:level=0.1", "pnn:level=0.2", "resnet20"]
    assert [one.manifest for one in short.trainings] == [one.manifest for one in report.trainings]
    assert [pair.comparison for pair in short.pairs] == [pair.comparison for pair in report.pairs]


def test_full_names_stand_only_in_the_folded_list_and_in_manifests(tmp_path: Path) -> None:
    report, pictures = everything(tmp_path)
    text = page(report, title="A title", pictures=pictures)
    found = Page(text)
    words = [data for tag, data in found.texts if tag == "dd"]
    assert "nfilters=8" in "".join(words)
    rest = "".join(data for tag, data in found.texts if tag not in ("script", "style", "pre", "dd"))
    assert "lbcnn" in rest
    assert "pnn:level=0.1" in rest
    assert "nfilters" not in rest
    assert "filters=64" not in rest


@pytest.mark.parametrize(("network", "differs"), [("resnet50", False), ("resnet50:width=64", True)])
def test_published_figures_of_a_network_with_options_say_that_it_has_them(
    tmp_path: Path, network: str, differs: bool
) -> None:
    saved(tmp_path, "resnet50-1crop-x-aaa", scores(60, 10, 1), architecture__name=network)
    made = page(read(sources(tmp_path, ())), title="A title", pictures={})
    assert "printed" in [a.get("id") for a in Page(made).named("section")]
    assert ("with width=64" in made) is differs


def test_a_report_without_options_has_no_list_of_names(tmp_path: Path) -> None:
    found = Page(page(two_runs(tmp_path), title="A title", pictures={}))
    assert "networks" not in [a.get("id") for _, a in found.elements]
