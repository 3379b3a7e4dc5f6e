"""Tests of docs/plugins.md: every hook and field is described with its signature, and the examples run."""

import dataclasses
import inspect
import re
import types
from pathlib import Path

import pytest

from benchsuite import FileFormat, load_plugins, testing
from benchsuite.specs import architecture, dataset, hookspecs, loader, preprocess, protocol, recipe, reporter
from benchsuite.specs.combine import Combine
from benchsuite.specs.dataset import Census
from benchsuite.specs.view import Crop, View

ROOT = Path(__file__).resolve().parent.parent
EXAMPLE = ROOT / "examples" / "benchsuite-efficientnet-lite" / "benchsuite_efficientnet_lite.py"
HOOKS = [hook for name, hook in vars(hookspecs).items() if name.startswith("benchsuite_")]
VALUES = [
    architecture.Architecture,
    architecture.Family,
    architecture.Weights,
    architecture.Transform,
    preprocess.Preprocess,
    architecture.Input,
    recipe.Recipe,
]
VALUES += [recipe.Optimizer, recipe.Warmup, recipe.Schedule, recipe.Augmentation, recipe.Mini]
VALUES += [recipe.Level, recipe.Grid]
VALUES += [
    protocol.Protocol,
    dataset.Dataset,
    Census,
    dataset.Split,
    dataset.Sample,
    loader.Loader,
    FileFormat,
    reporter.Reporter,
]
VALUES += [View, Crop, Combine]


@pytest.fixture(scope="module")
def page():
    return (ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")


def blocks(page):
    return re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)


def test_the_hooks_are_found():
    assert len(HOOKS) == 6


@pytest.mark.parametrize("hook", HOOKS, ids=lambda h: h.__name__)
def test_every_hook_is_documented_with_its_signature(page, hook):
    parameters = ", ".join(inspect.signature(hook).parameters)
    signature = f"{hook.__name__}({parameters}) -> {hook.__annotations__['return']}"
    assert f"| `{signature.replace('|', chr(92) + '|')}` |" in page


@pytest.mark.parametrize("value", VALUES, ids=lambda v: v.__name__)
def test_every_value_is_documented_with_its_fields(page, value):
    fields = ", ".join(field.name for field in dataclasses.fields(value))
    assert f"`{value.__name__}({fields})`" in " ".join(page.split())


def test_the_first_example_is_the_one_that_is_installed_in_tests(page):
    assert blocks(page)[0] == EXAMPLE.read_text(encoding="utf-8")


def test_every_example_runs_and_keeps_its_contract(page):
    checks = {
        "protocol": testing.check_protocol,
        "dataset": testing.check_dataset,
        "loader": testing.check_loader,
        "reporter": testing.check_reporter,
        "transform": testing.check_transform,
    }
    checked, lengths = [], {}
    for number, text in enumerate(blocks(page)):
        module = types.ModuleType(f"example{number}")
        exec(compile(text, f"docs/plugins.md, example {number}", "exec"), vars(module))
        catalog = load_plugins(entry_points=False, extra=[module])
        for kind, name in catalog.owners:
            if catalog.owner(kind, name).startswith("example") and kind in checks:
                checks[kind](catalog.find(kind, name))
                checked.append((kind, name))
                lengths[name] = text.count("\n")
    assert checked == [
        ("protocol", "2views"),
        ("dataset", "greys"),
        ("loader", "plain"),
        ("reporter", "errors"),
        ("transform", "prune"),
    ]
    assert lengths["prune"] < 20


def test_every_defect_that_the_kit_finds_is_documented_with_its_remedy(page):
    assert [line for name, mend in testing.DEFECTS.items() if (line := f"| `{name}` | {mend} |") not in page] == []
