"""Tests of the checks of a whole plugin: every planted defect is found by its name, and sound plugins pass."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch
from planted_defects import PLANTED, SOUND, Cached, built

from benchsuite import Architecture, BenchsuiteError, Catalog, Dataset, Loader, UnknownName, hookimpl, load_plugins
from benchsuite.testing import DEFECTS, Defect, check_architecture, check_plugin
from benchsuite.testing.plugin import PluginValues, check_discovery, check_value, find_plugin


def catalog_of(architecture: Architecture) -> Catalog:
    return Catalog(architectures={architecture.name: architecture}, owners={("architecture", architecture.name): "p"})


def test_a_sound_network_passes() -> None:
    check_architecture(SOUND)
    check_architecture(dataclasses.replace(SOUND, dense="auto"))


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_is_found_by_its_name(name: str) -> None:
    finding = check_value("architecture", PLANTED[name].name, catalog_of(PLANTED[name]))
    assert finding.defect == name
    assert finding.problem.startswith("Expected ")
    assert finding.mend == DEFECTS[name]
    assert "\n" not in finding.problem
    assert torch.is_grad_enabled()


def test_a_network_that_returns_the_logits_of_an_earlier_batch_is_found() -> None:
    with pytest.raises(Defect) as caught:
        check_architecture(built(Cached))
    assert caught.value.name == "state-between-batches"
    assert str(caught.value) == f"{caught.value.problem}. {DEFECTS['state-between-batches']}"


def test_every_defect_has_a_planted_one() -> None:
    assert set(DEFECTS) == {*PLANTED, "heavy-import"}


HEAVY = """
from benchsuite import hookimpl
{at_import}
@hookimpl
def benchsuite_architectures():
    {in_hook}
    return []
"""


@pytest.mark.parametrize(("at_import", "in_hook"), [("import torch", "pass"), ("", "import torch")])
def test_torch_is_not_imported_when_a_plugin_is_found(
    at_import: str, in_hook: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "heavy_plugin.py").write_text(HEAVY.format(at_import=at_import, in_hook=in_hook))
    (tmp_path / "light_plugin.py").write_text(HEAVY.format(at_import="", in_hook="pass"))
    (tmp_path / "broken_plugin.py").write_text("import no_such_library")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    finding = check_discovery(PluginValues("heavy", "heavy_plugin", ()))
    assert finding.defect == "heavy-import"
    assert "one that imports torch" in finding.problem
    assert check_discovery(PluginValues("light", "light_plugin", ())).passed
    broken = check_discovery(PluginValues("broken", "broken_plugin", ()))
    assert broken.defect == "error"
    assert "No module named 'no_such_library'" in broken.problem


BUILT_IN = load_plugins(entry_points=False)
OWNERS = sorted(set(BUILT_IN.owners.values()))


@pytest.mark.parametrize("owner", [o for o in OWNERS if not o.startswith("benchsuite.plugins.")])
def test_our_own_plugins_pass_as_plugins(owner: str) -> None:
    """Architectures are checked by test_conformance, which builds the small ones only."""
    values = [(kind, name) for (kind, name), o in BUILT_IN.owners.items() if o == owner]
    assert [finding for finding in (check_value(*v, BUILT_IN) for v in values) if not finding.passed] == []


def test_a_plugin_is_found_by_its_module_by_its_short_name_and_by_what_it_declares() -> None:
    names = ("benchsuite.protocols.ten_crop", "ten_crop", "10crop")
    found = {find_plugin(name, BUILT_IN) for name in names}
    (plugin,) = found
    assert plugin.declared == (("protocol", "10crop"),)
    assert [f.subject for f in check_plugin("ten_crop", BUILT_IN)] == [
        "import of benchsuite.protocols.ten_crop",
        "protocol 10crop",
    ]


def test_a_plugin_that_is_unknown_or_broken_is_an_error_of_one_line() -> None:
    with pytest.raises(UnknownName, match="did you mean 'ten_crop'"):
        find_plugin("ten_corp", BUILT_IN)
    broken = dataclasses.replace(BUILT_IN, broken=(("my-net (my-net 0.1.0)", "ImportError: no torch"),))
    with pytest.raises(BenchsuiteError, match="Expected the plugin my-net to be one that can be imported, got ImportE"):
        find_plugin("my-net", broken)


class Two:
    """Declares two architectures, one of them with a defect."""

    @hookimpl
    def benchsuite_architectures(self) -> Any:
        return [SOUND, dataclasses.replace(PLANTED["class-count"], name="planted2")]


def test_every_value_of_a_plugin_has_its_own_finding() -> None:
    catalog = load_plugins(entry_points=False, extra=[Two()])
    plugin = find_plugin("planted", catalog)
    findings = [check_value(*key, catalog) for key in plugin.declared]
    assert {f.subject: f.defect for f in findings} == {
        "architecture planted": "",
        "architecture planted2": "class-count",
    }


def test_a_check_that_a_plugin_makes_fail_is_a_finding() -> None:
    class Odd:
        name = "odd"

        def __getattr__(self, name: str) -> object:
            raise KeyError(name)

    odd: Any = Odd()
    finding = check_value("reporter", "odd", Catalog(reporters={"odd": odd}, owners={("reporter", "odd"): "p"}))
    assert finding.defect == "error"
    assert "reporter odd" in finding.problem


def test_a_data_set_and_a_loader_that_return_other_values_are_findings() -> None:
    dataset = Dataset("odd", lambda path, split: [], mirror=True, note="n", source="s", path="none")  # type: ignore[arg-type, return-value]
    finding = check_value("dataset", "odd", Catalog(datasets={"odd": dataset}, owners={("dataset", "odd"): "p"}))
    assert "Expected what open returns to be a Split, got list" in finding.problem
    loader = Loader("odd", lambda split, samples, then, workers: iter(samples), exact=True, note="n")
    finding = check_value("loader", "odd", Catalog(loaders={"odd": loader}, owners={("loader", "odd"): "p"}))
    assert "to be what then(pixels, seconds) returned" in finding.problem
