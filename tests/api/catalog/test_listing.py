"""Tests of ``benchsuite.list_entries``: lists as DataFrames, and what is shown of them."""

from __future__ import annotations

import pytest

import benchsuite
from benchsuite import BadParameter, Catalog, UnknownName
from benchsuite.api.catalog.entries import BRIEF, KINDS
from benchsuite.api.catalog.listing import MOST

CATALOG = benchsuite.load_plugins(entry_points=False)


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_a_table_with_a_row_for_each_entry(kind: str) -> None:
    found = benchsuite.list_entries(kind, catalog=CATALOG)
    table = found.table
    assert table["name" if "name" in table else "id"].tolist() == [
        e.get("name", e.get("id")) for e in found.lists[kind]
    ]
    assert set(table.columns) == set(found.lists[kind][0])
    assert repr(found).startswith(f"{len(table)} ")
    assert len(found.cells()[1]) <= min(len(table), MOST)
    assert ("--all" in repr(found)) == (len(table) > MOST)
    every = benchsuite.list_entries(kind, every=True, catalog=CATALOG)
    assert len(every.cells()[1]) == len(table)


def test_without_a_kind_every_entry_of_the_short_lists_has_its_kind() -> None:
    found = benchsuite.list_entries(catalog=CATALOG)
    counts = found.table["kind"].value_counts().to_dict()
    assert counts == {kind: len(benchsuite.list_entries(kind, catalog=CATALOG).table) for kind in BRIEF}
    names = dict(map(tuple, found.cells()[1]))  # type: ignore[arg-type]
    assert "10crop" in names["protocols"].split(", ")


def test_the_published_numbers_of_a_model_are_those_of_its_variants() -> None:
    found = benchsuite.list_entries("published", model="resnet50", catalog=CATALOG).table
    assert {"resnet50"} < set(found["architecture"])
    assert found["architecture"].str.startswith("resnet50").all()


def test_a_plugin_that_could_not_be_loaded_is_named() -> None:
    found = benchsuite.list_entries("loaders", catalog=Catalog(broken=(("sick", "ImportError: no module"),)))
    assert repr(found).splitlines() == ["0 loaders", "plugin sick could not be loaded: ImportError: no module"]
    assert found.record["broken"] == [{"plugin": "sick", "reason": "ImportError: no module"}]


def test_mistakes_are_one_line() -> None:
    with pytest.raises(UnknownName, match="Unknown kind of list 'protocol': did you mean 'protocols'"):
        benchsuite.list_entries("protocol")
    with pytest.raises(BadParameter, match="Expected --model to be used with published or weights, got no kind"):
        benchsuite.list_entries(model="resnet50")
    with pytest.raises(BadParameter, match="Expected a pattern to be used with a kind, got resnet"):
        benchsuite.list_entries(pattern="resnet*")
