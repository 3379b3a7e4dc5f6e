"""Tests of the CIFAR ResNets, compared with formulas and with the published sizes."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from benchsuite.plugins import cifar_resnet
from PIL import Image
from recorded_progress import RecordedProgress

import benchsuite
from benchsuite import load_plugins
from benchsuite.evaluation.question import RunRequest
from benchsuite.runs.run import run
from benchsuite.testing import check_architecture

PARAMETERS = {20: 269_722, 32: 464_154, 44: 658_586, 56: 853_018, 110: 1_727_962, 1202: 19_421_274}
FOUND = {a.name: a for a in cifar_resnet.benchsuite_architectures()}


def walk(state: dict[str, Any], x: Any, blocks: int) -> Any:
    """The network of sec. 4.2 in formulas: y = relu(F(x) + shortcut(x)), the shortcut padded with zero channels."""

    def norm(name: str, x: Any) -> Any:
        mean, var, gamma, beta = (state[f"{name}.{k}"] for k in ("running_mean", "running_var", "weight", "bias"))
        scale = gamma / torch.sqrt(var + 1e-5)
        return x * scale[:, None, None] + (beta - mean * scale)[:, None, None]

    def conv(name: str, x: Any, stride: int = 1) -> Any:
        return F.conv2d(x, state[f"{name}.weight"], stride=stride, padding=1)

    x = norm("bn1", conv("conv1", x)).clamp(min=0)
    for stage, planes in enumerate((16, 32, 64), 1):
        for block in range(blocks):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = norm(f"{name}.bn1", conv(f"{name}.conv1", x, stride)).clamp(min=0)
            y = norm(f"{name}.bn2", conv(f"{name}.conv2", y))
            if stride == 2:
                wide = torch.zeros(y.shape)
                first = planes // 4
                for i in range(y.shape[2]):
                    for j in range(y.shape[3]):
                        wide[:, first : first + planes // 2, i, j] = x[:, :, 2 * i, 2 * j]
                x = wide
            x = (x + y).clamp(min=0)
    return x.flatten(2).mean(2) @ state["linear.weight"].T + state["linear.bias"]


def awake(module: Any) -> Any:
    for name, value in module.state_dict().items():
        if "bn" in name and value.is_floating_point():
            value.copy_(0.5 + torch.rand(value.shape))
    return module.eval()


@pytest.mark.parametrize("layers", PARAMETERS)
def test_the_parameters_are_counted_and_no_shortcut_has_any(layers: int) -> None:
    with torch.device("meta"):
        module = FOUND[f"resnet{layers}"].build(10)
    assert sum(p.numel() for p in module.parameters()) == PARAMETERS[layers]
    convolutions = [m for m in module.modules() if isinstance(m, torch.nn.Conv2d)]
    assert len(convolutions) + 1 == layers
    assert {m.kernel_size for m in convolutions} == {(3, 3)}


@pytest.mark.parametrize(("layers", "size"), [(20, (32, 32)), (20, (40, 36)), (32, (33, 31))])
def test_the_logits_equal_a_walk_in_formulas(layers: int, size: tuple[int, int]) -> None:
    torch.manual_seed(layers)
    module = awake(FOUND[f"resnet{layers}"].build(10))
    x = torch.randn(2, 3, *size)
    with torch.inference_mode():
        wanted = walk(module.state_dict(), x, (layers - 2) // 6)
        torch.testing.assert_close(module(x), wanted, rtol=1e-4, atol=1e-5 * float(wanted.abs().max()))
        assert (wanted[0] - wanted[1]).abs().max() > 0.01 * wanted.abs().max()


@pytest.mark.parametrize("name", FOUND)
def test_the_contract_is_kept(name: str) -> None:
    check_architecture(FOUND[name], build=name in ("resnet20", "resnet110"))


def test_they_are_found_under_their_names() -> None:
    assert set(FOUND) == {f"resnet{n}" for n in PARAMETERS} <= set(load_plugins(entry_points=False).architectures)


def test_maps_halve_from_32_to_8() -> None:
    module = FOUND["resnet20"].build(10).eval()
    maps: list[Any] = []
    for layer in (module.layer1, module.layer2, module.layer3):
        layer.register_forward_hook(lambda layer, given, out: maps.append(tuple(out.shape[1:])))
    with torch.inference_mode():
        assert module(torch.zeros(1, 3, 32, 32)).shape == (1, 10)
    assert maps == [(16, 32, 32), (32, 16, 16), (64, 8, 8)]


def test_new_weights_are_scaled_by_the_inputs_of_a_unit() -> None:
    torch.manual_seed(0)
    weight = FOUND["resnet20"].build(10).layer3[1].conv1.weight.detach()
    assert float(weight.std()) == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)


def test_the_weights_and_their_preprocessing_are_akamasters() -> None:
    for name, it in FOUND.items():
        (weights,) = it.weights
        assert weights.preprocess == it.preprocess
        assert (weights.name, weights.classes) == ("akamaster", 10)
        assert weights.source.startswith("https://github.com/akamaster/pytorch_resnet_cifar10/")
        assert f"{name}-" in weights.source
        assert weights.source in weights.file
        assert "per-pixel mean" in it.note


def test_the_public_weights_as_a_file_give_the_predictions_that_they_give_by_name(
    cifar10_jpeg: Path, isolated: Path, tmp_path: Path
) -> None:
    """The file's digest is that of the declared weights, so its pixels are normalised as theirs."""
    file = Path(os.environ["BENCHSUITE_TEST_DATA"], "akamaster", "resnet20-12fca82f.th")
    if not file.is_file():
        pytest.skip(f"no {file}")
    folder = isolated / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    shutil.copy(file, folder)
    renamed = shutil.copy(file, tmp_path / "mine.pth")
    progress = RecordedProgress()
    asked = {"data": f"cifar10:{cifar10_jpeg}", "device": "cpu", "results": tmp_path, "limit": 200}
    rows = [
        run(RunRequest(("resnet20",), ("1crop",), weights=str(weights), **asked), load_plugins(), progress)[0]
        for weights in ("akamaster", renamed)
    ]
    first, second = (pd.read_parquet(Path(row["path"], "predictions.parquet")) for row in rows)
    assert first.equals(second)
    assert rows[0]["run_id"] != rows[1]["run_id"]
    by_name, by_file = (json.loads(Path(r["path"], "manifest.json").read_text())["members"][0] for r in rows)
    assert by_name["preprocess"] == by_file["preprocess"]
    assert "reading" not in by_name["weights"]
    assert by_file["weights"]["reading"] == {"taken_from": "state_dict.module", "passed_over": ["best_prec1"]}
    assert "mine.pth: taken from state_dict.module; passed over: best_prec1" in progress.notes
    said = "mean 0.485 0.456 0.406, std 0.229 0.224 0.225; from the declared weights akamaster: it is their file"
    assert [note for note in progress.notes if note.endswith(said)]


def test_the_errors_of_the_public_resnet20_with_and_without_mirror_images(
    cifar10_jpeg: Path, isolated: Path, tmp_path: Path
) -> None:
    """1,897 of 10,000 for one view. Every fifth image is counted again by a plain loop, which resizes nothing."""
    file = Path(os.environ["BENCHSUITE_TEST_DATA"], "akamaster", "resnet20-12fca82f.th")
    if not file.is_file():
        pytest.skip(f"no {file}")
    folder = isolated / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    shutil.copy(file, folder)
    asked = {"data": f"cifar10:{cifar10_jpeg}", "device": "cpu", "precision": "fp32", "progress": False}
    asked["results"] = tmp_path
    runs = benchsuite.evaluate("resnet20", ["1crop", "tta:shifts=0,flip=true"], weights="akamaster", **asked)
    spec = load_plugins(entry_points=False).architecture("resnet20")
    network = spec.build(10)
    saved = torch.load(file, map_location="cpu", weights_only=True)["state_dict"]
    network.load_state_dict({name.removeprefix("module."): tensor for name, tensor in saved.items()})
    network.eval()
    labels = {path.name: label for label, path in enumerate(sorted((cifar10_jpeg / "test").iterdir()))}
    files = sorted((cifar10_jpeg / "test").glob("*/*"))[::5]
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    counted = [0, 0]
    for start in range(0, len(files), 500):
        block = files[start : start + 500]
        pixels = torch.stack([torch.from_numpy(np.array(Image.open(path).convert("RGB"))) for path in block])
        x = (pixels.permute(0, 3, 1, 2).float() / 255 - mean) / std
        with torch.inference_mode():
            plain, mirrored = (network(view).double().softmax(1) for view in (x, x.flip(3)))
        wanted = torch.tensor([labels[path.parent.name] for path in block])
        for i, scores in enumerate((plain, plain + mirrored)):
            counted[i] += int((scores.argmax(1) != wanted).sum())
    ids = [path.relative_to(cifar10_jpeg / "test").as_posix() for path in files]
    assert len(ids) == 2000
    ranks = [run.predictions.set_index("id")["rank"] for run in runs]
    assert [int((rank[ids] > 0).sum()) for rank in ranks] == counted
    assert [int((rank > 0).sum()) for rank in ranks] == [run.top1_errors for run in runs]
    assert runs[0].top1_errors == 1897
    assert runs[1].top1_errors < 1800
