"""Tests of ``benchsuite.show``: what is known of a protocol, an architecture, a published number and a run."""

from __future__ import annotations

import pytest
import toy_training
from toys import ToyPlugin

import benchsuite
from benchsuite import UnknownName

CATALOG = benchsuite.load_plugins(entry_points=False, extra=[ToyPlugin()])


def test_a_protocol_is_described_with_its_views() -> None:
    assert repr(benchsuite.show("10crop", catalog=CATALOG)).startswith(
        "10crop (protocol): 10 views of an image, mean of"
    )
    found = benchsuite.show("10crop:merge=logit", every=True, catalog=CATALOG)
    assert len(found.record["views"]) == 10
    assert repr(found).splitlines()[0] == "10crop:merge=logit (protocol)"
    whole = found._repr_html_()
    assert whole.count("<pre") == 1
    assert all(view["text"] in whole for view in found.record["views"])


@pytest.mark.parametrize(
    ("name", "kind"), [("toy", "protocol"), ("toy50", None), ("he-gh-1c-resnet-50-top1", "published")]
)
def test_the_kind_of_a_name_is_found(name: str, kind: str | None) -> None:
    if kind is None:
        with pytest.raises(UnknownName, match="did you mean 'toy'"):
            benchsuite.show(name, catalog=CATALOG)
    else:
        assert benchsuite.show(name, catalog=CATALOG).record["kind"] == kind


def test_a_run_is_described_as_it_is_by_its_id() -> None:
    run = benchsuite.evaluate("toy", catalog=CATALOG, data="toy", device="cpu", progress=False)
    found = benchsuite.show(run, catalog=CATALOG)
    assert found.record["manifest"] == run.manifest
    assert found == benchsuite.show(run.run_id, catalog=CATALOG)
    assert repr(found).startswith(f"{run.run_id}: ")
    assert "% top-1 error of toy by 1crop." in repr(found).splitlines()[0]


def test_a_training_is_described_as_it_is_by_its_folder_and_its_id() -> None:
    catalog = toy_training.catalog()
    made = benchsuite.train("tiny", "usual", catalog=catalog, device="cpu", epochs=1, progress=False)
    found = benchsuite.show(made, catalog=catalog)
    assert (found.record["kind"], found.record["run_id"]) == ("training", made.run_id)
    assert found == benchsuite.show(made.run_id, catalog=catalog) == benchsuite.show(made.path, catalog=catalog)
