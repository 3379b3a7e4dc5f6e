"""Tests of the example package: found through its entry point when installed, and right on real images."""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchsuite import load_plugins
from benchsuite.storage.run_folder import read_columns
from benchsuite.testing import check_architecture

NAME = "benchsuite-efficientnet-lite"
LADDER = Path(__file__).parents[1] / "results" / "efficientnet_lite0-imagenet-500"
RUNGS = [rung["protocol"] for rung in json.loads((LADDER / "ladder.json").read_text())["rungs"]]


@pytest.fixture(scope="module")
def catalog():
    try:
        importlib.metadata.version(NAME)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"needs the example: pip install examples/{NAME}")
    return load_plugins()


def test_it_is_found_with_its_distribution_as_owner(catalog):
    owner = catalog.owner("architecture", "efficientnet_lite0")
    assert owner.startswith("efficientnet-lite")
    assert f"({NAME} {importlib.metadata.version(NAME)})" in owner


def test_it_keeps_the_contract_of_an_architecture(catalog):
    check_architecture(catalog.architecture("efficientnet_lite0"))


def test_its_weights_fit_and_nothing_is_printed(catalog, capfd):
    import torch

    spec = catalog.architecture("efficientnet_lite0")
    module = spec.build(spec.weights[0].classes).eval()
    module.load_state_dict(spec.weights[0].load())
    with torch.inference_mode():
        logits = module(torch.zeros(2, 3, 224, 224))
    assert logits.shape == (2, 1000)
    assert capfd.readouterr() == ("", "")


def test_its_score_map_equals_the_loop_over_windows(catalog):
    import torch
    from reference import windows

    from benchsuite.models.score_map import derive, score_map

    spec = catalog.architecture("efficientnet_lite0")
    module = spec.build(1000).eval()
    module.load_state_dict(spec.weights[0].load())
    x = torch.randn(1, 3, 288, 320, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        got, places = score_map(module, derive(spec, module, 224), x)
        wanted = windows.score_map(module.extract_features(x)[0], windows.averaged(module._fc), (7, 7))
    assert places == len(wanted) == 3 * 4
    assert (got[0] - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def counted(imagenet500, results, *protocols):
    """The runs of ``benchsuite run`` in float32, by protocol."""
    words = [word for label in protocols for word in ("-p", label)]
    command = [sys.executable, "-m", "benchsuite", "run", "efficientnet_lite0", *words, "--precision", "fp32"]
    command += ["--data", f"imagenet:{imagenet500}", "--results", str(results), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {run["protocol"]: run for run in json.loads(done.stdout)["runs"]}


def assert_errors(run, errors):
    """Asserts the errors; one more or less is allowed only if the run found a near tie."""
    assert run["n"] == 500
    assert abs(run["top1_errors"] - errors) <= min(1, run["near_ties"]["top1"]), run


# The counts are those of an independent script: Pillow's bicubic resize, the crops and the same weights.


def test_it_counts_58_errors_in_500_images(catalog, imagenet500, tmp_path):
    assert_errors(counted(imagenet500, tmp_path, "1crop")["1crop"], 58)


@pytest.mark.skipif("BENCHSUITE_SLOW" not in os.environ, reason="5000 forward passes: set BENCHSUITE_SLOW=1")
def test_it_counts_51_and_48_errors_with_ten_crops(catalog, imagenet500, tmp_path):
    runs = counted(imagenet500, tmp_path, "10crop:merge=prob", "10crop:merge=logit")
    assert_errors(runs["10crop"], 51)
    assert_errors(runs["10crop:merge=logit"], 48)


@pytest.mark.skipif("BENCHSUITE_SLOW" not in os.environ, reason="46000 forward passes: set BENCHSUITE_SLOW=1")
@pytest.mark.parametrize("protocol", RUNGS)
def test_each_rung_of_the_committed_ladder_is_what_a_run_of_its_own_gives(catalog, imagenet500, tmp_path, protocol):
    """The rungs were measured by one ``explain`` with common views; here each has its own cache."""
    (rung,) = (r for r in json.loads((LADDER / "ladder.json").read_text())["rungs"] if r["protocol"] == protocol)
    run = counted(imagenet500, tmp_path, protocol)[protocol]
    ours = read_columns(tmp_path / "runs" / run["run_id"], ("id", "rank"))
    theirs = read_columns(LADDER / "runs" / rung["run_id"], ("id", "rank"))
    assert ours["id"].tolist() == theirs["id"].tolist()
    wrong, committed = (columns["rank"] > 0 for columns in (ours, theirs))
    assert np.count_nonzero(wrong != committed) <= run["near_ties"]["top1"]
