"""Tests of ``smooth``, compared with plain loops, scipy's convolution and a real run of a trained network."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from reference.smoothing import smoothed
from scipy.signal import convolve2d
from torch import nn

from benchsuite import BadParameter, WeightsError, load_plugins
from benchsuite.evaluation.question import RunRequest
from benchsuite.models.device import Compute
from benchsuite.models.network import open_network
from benchsuite.models.weights import ChosenWeights, build, transformed
from benchsuite.progress import Progress
from benchsuite.runs.run import run
from benchsuite.specs.preprocess import center

CATALOG = load_plugins(entry_points=False)


def changed(name: str, *transforms: str) -> Any:
    """The network of that name with random weights, changed by transforms."""
    architecture = CATALOG.architecture(name)
    chosen = ChosenWeights("random", "random", architecture.preprocess)
    bound = [CATALOG.transform(text) for text in transforms]
    return build(architecture, transformed(chosen, bound, ["a test"] * len(bound)), 10)


def smooth(module: nn.Module, rho: str = "1", size: int = 8) -> None:
    with torch.no_grad():
        CATALOG.transform(f"smooth:rho={rho}").apply(module.eval(), torch.zeros(1, 3, size, size))


kernels = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 5), st.integers(1, 5)).filter(
    lambda shape: shape[2:] != (1, 1)
)


@given(kernels, st.floats(-9, 9, width=32), st.integers(0, 40))
def test_a_constant_kernel_grows_by_one_plus_eight_rho(shape: tuple[int, ...], value: float, eighths: int) -> None:
    layer = nn.Conv2d(shape[1], shape[0], shape[2:], bias=False)
    nn.init.constant_(layer.weight, value)
    with torch.no_grad():
        apply = CATALOG.transform(f"smooth:rho={eighths}/8").apply
        apply(layer, torch.zeros(1, shape[1], 8, 8))
    assert torch.equal(layer.weight, torch.full(shape, np.float32((1 + eighths) * value)))


def test_the_twin_is_the_article_s_convolution_with_duplicated_edges() -> None:
    values = np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32)
    mask = np.full((3, 3), 0.5)
    mask[1, 1] = 1
    wanted = [[convolve2d(plane, mask, mode="same", boundary="symm") for plane in kernel] for kernel in values]
    np.testing.assert_allclose(smoothed(values, 0.5), wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("resnet20", "conv1.weight"),
        ("resnet50", "conv1.weight"),
        ("resnet50.v1", "conv1.weight"),
        ("pnn:net=resnet18", "stem.0.weight"),
        ("pnn:first_filter_size=3", "stem.0.weight"),
        ("noiseresnet18", "stem.0.weight"),
        ("lbcnn", "stem.0.weight"),
        ("timm:resnet18", "conv1.weight"),
        ("timm:tf_efficientnet_lite0", "conv_stem.weight"),
        ("timm:vit_tiny_patch16_224", "patch_embed.proj.weight"),
        ("torchvision:mobilenet_v3_small", "features.0.0.weight"),
    ],
)
def test_only_the_first_convolution_changes_and_as_the_plain_loops_say(name: str, first: str) -> None:
    before, after = changed(name).state_dict(), changed(name, "smooth:rho=0.75").state_dict()
    assert np.array_equal(after[first].numpy(), smoothed(before[first].numpy(), 0.75))
    assert [n for n in before if not torch.equal(before[n], after[n])] == [first]


def test_a_rho_of_zero_leaves_every_bit() -> None:
    layer = nn.Conv2d(3, 2, 3, bias=False)
    with torch.no_grad():
        layer.weight[0] = -0.0
    before = layer.weight.detach().numpy().tobytes()
    smooth(layer, "0")
    assert layer.weight.detach().numpy().tobytes() == before


def test_transforms_are_applied_in_order() -> None:
    first = "conv1.weight"
    before, after = changed("resnet20").state_dict(), changed("resnet20", "smooth:rho=2", "smooth").state_dict()
    assert np.array_equal(after[first].numpy(), smoothed(smoothed(before[first].numpy(), 2), 1))


class LateFirst(nn.Module):
    """A network that computes its second attribute first."""

    def __init__(self) -> None:
        super().__init__()
        self.second, self.first = nn.Conv2d(4, 4, 3), nn.Conv2d(3, 4, 3)

    def forward(self, x: Any) -> Any:
        return self.second(self.first(x)).mean((2, 3))


class Functional(nn.Module):
    """A network whose first convolution is a call with a buffer, not a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("filters", torch.randn(4, 3, 3, 3))
        self.second = nn.Conv2d(4, 4, 3)

    def forward(self, x: Any) -> Any:
        return self.second(F.conv2d(x, weight=self.filters.detach(), padding=1)).mean((2, 3))


@pytest.mark.parametrize(("made", "name"), [(LateFirst, "first.weight"), (Functional, "filters")])
def test_the_first_convolution_is_the_one_that_is_computed_first(made: type[nn.Module], name: str) -> None:
    module = made()
    before = {n: v.clone() for n, v in module.state_dict().items()}
    smooth(module)
    after = module.state_dict()
    assert [n for n in before if not torch.equal(before[n], after[n])] == [name]
    assert np.array_equal(after[name].numpy(), smoothed(before[name].numpy(), 1))


class Standardised(nn.Conv2d):
    """A layer that makes its kernels from other weights whenever it is called."""

    def forward(self, x: Any) -> Any:
        return F.conv2d(x, self.weight / self.weight.norm(), self.bias)


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2)), "that sees the image, got none"),
        (nn.Conv2d(3, 4, 1), "larger than one pixel, got 1x1, which have no neighbours"),
        (Standardised(3, 4, 3), "stored as they are used, got kernels that are computed from other weights"),
    ],
    ids=["none", "1x1", "standardised"],
)
def test_a_network_that_cannot_be_smoothed_is_one_line(module: nn.Module, said: str) -> None:
    before = {n: v.clone() for n, v in module.state_dict().items()}
    with pytest.raises(WeightsError) as caught:
        smooth(module)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2
    assert all(torch.equal(v, before[n]) for n, v in module.state_dict().items())


def test_a_network_without_spatial_kernels_is_named_in_the_error() -> None:
    with pytest.raises(WeightsError, match=r"got 1x1, which .* \[pnn, --transform smooth:rho=1\]$"):
        changed("pnn", "smooth")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("smooth:rho=-1", "rho of smooth to be 0 or more, got -1"),
        ("smooth:rho=much", "rho to be a number or a fraction such as 8/255, got much"),
        ("smooth:roh=1", "Unknown parameter of smooth 'roh': did you mean 'rho'"),
    ],
)
def test_a_wrong_rho_is_refused_before_a_network_is_built(text: str, said: str) -> None:
    with pytest.raises(BadParameter) as caught:
        CATALOG.transform(text)
    assert said in str(caught.value)


def test_normalisations_are_folded_into_the_smoothed_kernels() -> None:
    architecture = CATALOG.architecture("resnet20")
    module = changed("resnet20", "smooth")
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_var, 20, 30)
    kernels, norm = module.conv1.weight.detach().clone(), module.bn1
    scale = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()
    network = open_network(
        architecture, module, architecture.preprocess, (center(architecture.preprocess),), 10, Compute()
    )
    assert network.folded == 19
    folded = network.module.conv1.weight
    np.testing.assert_allclose(folded.detach().numpy(), (kernels * scale.view(-1, 1, 1, 1)).numpy(), rtol=1e-5)


def test_a_trained_network_errs_otherwise_with_smoothed_kernels(
    cifar10_jpeg: Path, isolated: Path, tmp_path: Path
) -> None:
    import os

    file = Path(os.environ["BENCHSUITE_TEST_DATA"], "akamaster", "resnet20-12fca82f.th")
    if not file.is_file():
        pytest.skip(f"no {file}")
    folder = isolated / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    shutil.copy(file, folder)
    asked = {"data": f"cifar10:{cifar10_jpeg}", "weights": "akamaster", "device": "cpu", "results": tmp_path}
    rows = [
        run(RunRequest(("resnet20",), ("1crop",), **asked, limit=200, transforms=transforms), CATALOG, Progress())[0]
        for transforms in ((), ("smooth:rho=0",), ("smooth:rho=1.0",))
    ]
    assert [row["weights"] for row in rows] == ["akamaster", "akamaster, smooth:rho=0", "akamaster, smooth:rho=1"]
    assert not any(row["cached"] for row in rows)
    assert rows[0]["top1_errors"] == rows[1]["top1_errors"] < rows[2]["top1_errors"]
