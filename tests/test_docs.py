"""Tests of docs/plugins.md: every hook and field is described with its signature, and the examples run."""

import dataclasses
import inspect
import itertools
import re
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from colour_patches import PREPROCESS, PatchesPlugin, asked, open_patches

from benchsuite import FileFormat, Perturbation, bind, load_plugins, testing
from benchsuite.data.resize import cut, resize
from benchsuite.progress import Progress
from benchsuite.runs.run import run
from benchsuite.specs import architecture, dataset, hookspecs, loader, preprocess, protocol, recipe, reporter
from benchsuite.specs.combine import Combine
from benchsuite.specs.dataset import Census
from benchsuite.specs.parameters import views
from benchsuite.specs.view import Crop, View, resized_shape
from benchsuite.storage.run_folder import read_columns

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
    dataset.Baseline,
    loader.Loader,
    FileFormat,
    reporter.Reporter,
    reporter.FinishedRun,
    reporter.Rate,
]
VALUES += [View, Crop, Combine, Perturbation]


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


def example(page, number, monkeypatch):
    """An example as a module that can be imported, as an installed one can."""
    module = types.ModuleType(f"example{number}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(compile(blocks(page)[number], f"docs/plugins.md, example {number}", "exec"), vars(module))
    return module


def test_the_changed_pictures_of_the_example_are_evaluated(page, monkeypatch, tmp_path):
    """The network's logits are 40 times the mean colours of its input."""
    number = next(i for i, text in enumerate(blocks(page)) if "perturbing(" in text)
    module = example(page, number, monkeypatch)
    catalog = load_plugins(entry_points=False, extra=[module, PatchesPlugin()])
    clean, blurred = run(asked(tmp_path, "1crop", "blur:reach=6"), catalog, Progress())
    assert (clean["protocol"], blurred["protocol"]) == ("1crop", "blur:reach=6")
    (view,) = views(bind("1crop", lambda name: catalog.find("protocol", name)), PREPROCESS, mirror=True)
    split, wanted = open_patches(None, "test"), {False: [], True: []}
    for sample in split.samples:
        picture = split.read(sample)
        crop = cut(resize(picture, *resized_shape(*picture.shape[:2], view), view), view) / 255
        for changed, found in wanted.items():
            seen = module.slow_mean_around(crop, None, reach=6) if changed else crop
            scores = np.exp(40 * seen.mean((0, 1)))
            found.append(scores[sample.label] / scores.sum())
    for row, probabilities in ((clean, wanted[False]), (blurred, wanted[True])):
        found = read_columns(Path(row["path"]))["probability_true"]
        np.testing.assert_allclose(np.asarray(found), probabilities, rtol=1e-3, atol=1e-5)
    assert np.abs(np.subtract(wanted[False], wanted[True])).max() > 0.1


def test_every_example_runs_and_keeps_its_contract(page, monkeypatch):
    checks = {
        "protocol": testing.check_protocol,
        "dataset": testing.check_dataset,
        "loader": testing.check_loader,
        "reporter": testing.check_reporter,
        "transform": testing.check_transform,
    }
    checked, lengths = [], {}
    for number, text in enumerate(blocks(page)):
        module = example(page, number, monkeypatch)
        catalog = load_plugins(entry_points=False, extra=[module])
        for kind, name in catalog.owners:
            if catalog.owner(kind, name).startswith("example") and kind in checks:
                checks[kind](catalog.find(kind, name))
                checked.append((kind, name))
                lengths[name] = text.count("\n")
    assert checked == [
        ("protocol", "2views"),
        ("protocol", "blur"),
        ("dataset", "weather"),
        ("dataset", "hours"),
        ("dataset", "greys"),
        ("loader", "plain"),
        ("reporter", "errors"),
        ("reporter", "json-lines"),
        ("transform", "prune"),
    ]
    assert lengths["prune"] < 20
    assert lengths["blur"] < 30
    assert max(lengths["weather"], lengths["hours"]) < 40


def test_the_new_sets_of_the_examples_are_evaluated_by_their_groups(page, monkeypatch, tmp_path):
    from PIL import Image

    numbers = [i for i, text in enumerate(blocks(page)) if "class_folders" in text or "read_array" in text]
    modules = [example(page, number, monkeypatch) for number in numbers]
    catalog = load_plugins(entry_points=False, extra=[*modules, PatchesPlugin()])
    for weather, light, kind in itertools.product(("fog", "rain"), ("day", "night"), ("car", "van", "road")):
        folder = tmp_path / "weather" / weather / light / kind
        folder.mkdir(parents=True)
        Image.new("RGB", (20, 18), (0, 0, 255) if weather == "fog" else (255, 0, 0)).save(folder / "1.png")
    (tmp_path / "hours").mkdir()
    np.save(tmp_path / "hours" / "labels.npy", np.array([0, 1]))
    for hour, colour in (("06", 0), ("12", 1)):
        pixels = np.zeros((2, 20, 20, 3), np.uint8)
        pixels[..., colour] = 255
        np.save(tmp_path / "hours" / f"{hour}.npy", pixels)
    testing.check_dataset(catalog.datasets["weather"], str(tmp_path / "weather"))
    testing.check_dataset(catalog.datasets["hours"], str(tmp_path / "hours"))
    (row,) = run(asked(tmp_path, "1crop", data=f"weather:{tmp_path / 'weather'}"), catalog, Progress())
    assert {(g["weather"], g["light"]): (g["n"], g["top1_errors"]) for g in row["groups"]} == dict.fromkeys(
        [("fog", "day"), ("fog", "night"), ("rain", "day"), ("rain", "night")], (3, 2)
    )
    columns = read_columns(Path(row["path"]), ("group_weather", "top5"))
    assert columns["top5"][:, 0].tolist() == [2 if weather == "fog" else 0 for weather in columns["group_weather"]]


def test_every_defect_that_the_kit_finds_is_documented_with_its_remedy(page):
    assert [line for name, mend in testing.DEFECTS.items() if (line := f"| `{name}` | {mend} |") not in page] == []
