"""Tests of folding batch normalisations into convolutions: what is folded, what is not, and equal logits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import nn
from torchvision import models

from benchsuite import load_plugins
from benchsuite.models.batchnorm_folding import CLOSE, fold

SHAPE = (3, 32, 32)


def unlike(module: nn.Module) -> nn.Module:
    """The module with random statistics, scales and shifts."""
    torch.manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d) and layer.running_mean is not None:
            nn.init.normal_(layer.running_mean, std=0.3)
            nn.init.uniform_(layer.running_var, 0.2, 2)
            if layer.weight is not None:
                nn.init.uniform_(layer.weight, -1.5, 1.5)
                nn.init.normal_(layer.bias, std=0.3)
    return module.eval()


class Net(nn.Module):
    """A convolution, a normalisation, and what ``then`` makes of the module and its input."""

    def __init__(self, then: Callable[[Any, Any], Any], convolution: Any = None, norm: Any = None) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = convolution or nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.bn = norm or nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 5)
        self.then = then

    def forward(self, x: Any) -> Any:
        return self.fc(self.then(self, x).mean((2, 3)))


def plain(net: Any, x: Any) -> Any:
    return torch.relu(net.bn(net.conv(x)))


def images(n: int = 3) -> Any:
    return torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(7))


@torch.no_grad()
def folded(module: nn.Module, shape: tuple[int, int, int] = SHAPE) -> int:
    """The number of folded normalisations. Asserts that the logits of new images stay the same."""
    x = torch.randn(2, *shape, generator=torch.Generator().manual_seed(7))
    wanted = module(x)
    count = fold(module, shape)
    got = module(x)
    assert torch.equal(got, wanted) if count == 0 else (got - wanted).abs().max() <= CLOSE * wanted.abs().max()
    return count


def norms(module: nn.Module) -> int:
    return sum(isinstance(layer, nn.BatchNorm2d) for layer in module.modules())


@torch.no_grad()
def test_one_pair_is_the_formula_of_its_scale_and_shift() -> None:
    net = unlike(Net(plain))
    before, bn = net.conv.weight.clone(), copy.deepcopy(net.bn)
    assert folded(net) == 1
    for k in range(8):
        scale = float(bn.weight[k]) / (float(bn.running_var[k]) + bn.eps) ** 0.5
        torch.testing.assert_close(net.conv.weight[k], before[k] * scale, rtol=1e-6, atol=1e-7)
        shift = float(bn.bias[k]) - float(bn.running_mean[k]) * scale
        assert float(net.conv.bias[k]) == pytest.approx(shift, rel=1e-6, abs=1e-7)
    assert isinstance(net.bn, nn.Identity)


@torch.no_grad()
def test_a_folded_network_is_as_near_to_float64_as_the_plain_one() -> None:
    net = unlike(models.resnet18(num_classes=5))
    exact, x = copy.deepcopy(net).double(), torch.randn(4, 3, 64, 64)
    wanted, before = exact(x.double()), net(x)
    assert fold(net, (3, 64, 64)) == 20
    errors = [float((got.double() - wanted).abs().max()) for got in (net(x), before)]
    assert errors[0] <= 3 * errors[1]


@pytest.mark.parametrize(
    "build",
    [
        models.resnet18,
        models.mobilenet_v3_small,
        models.shufflenet_v2_x0_5,
        lambda num_classes: timm.create_model("resnet26d", num_classes=num_classes),
        lambda num_classes: timm.create_model("mobilenetv3_small_050", num_classes=num_classes),
        lambda num_classes: timm.create_model("skresnet18", num_classes=num_classes),
    ],
)
def test_networks_of_torchvision_and_timm_have_no_normalisation_left(build: Callable[..., Any]) -> None:
    net = unlike(build(num_classes=5))
    before = norms(net)
    assert folded(net, (3, 64, 64)) == before > 0
    assert norms(net) == 0


def test_only_what_stands_behind_a_convolution_is_folded() -> None:
    net = unlike(models.densenet121(num_classes=5))
    assert folded(net, (3, 64, 64)) == 59
    assert norms(net) == 121 - 59


def test_a_normalisation_with_its_own_activation_keeps_the_activation() -> None:
    from timm.layers import BatchNormAct2d

    net = unlike(Net(lambda net, x: net.bn(net.conv(x)), norm=BatchNormAct2d(8, act_layer=nn.SiLU)))
    assert folded(net) == 1
    assert isinstance(net.bn, nn.SiLU)


def test_a_convolution_that_pads_by_itself_is_folded() -> None:
    class Padded(nn.Conv2d):
        def forward(self, x: Any) -> Any:
            return F.conv2d(F.pad(x, (0, 1, 0, 1)), self.weight, self.bias, self.stride)

    assert folded(unlike(Net(plain, Padded(3, 8, 3, 2)))) == 1
    assert folded(unlike(Net(plain, nn.Conv2d(3, 8, 3, padding=1, padding_mode="reflect")))) == 1


@pytest.mark.parametrize("norm", [nn.BatchNorm2d(8, affine=False), nn.BatchNorm2d(8, eps=0.1)])
def test_a_bias_and_no_affine_part_are_folded_too(norm: Any) -> None:
    assert folded(unlike(Net(plain, nn.Conv2d(3, 8, 1), norm))) == 1


class Standardised(nn.Conv2d):
    """A convolution whose weights are a function of its parameter, not the parameter itself."""

    def forward(self, x: Any) -> Any:
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return F.conv2d(x, weight / weight.std((1, 2, 3), keepdim=True), self.bias)


OTHERS: dict[str, Callable[[], nn.Module]] = {
    "the output of the convolution is read twice": lambda: Net(lambda net, x: net.bn(y := net.conv(x)) + y),
    "it is changed in place before": lambda: Net(lambda net, x: net.bn(net.conv(x).relu_())),
    "a part of it is read": lambda: Net(lambda net, x: net.bn(y := net.conv(x)) + y[:, :1]),
    "something stands between": lambda: Net(lambda net, x: net.bn(net.conv(x) * 2)),
    "the convolution is used twice": lambda: Net(lambda net, x: net.bn(net.conv(x)) + net.conv(x.flip(3))),
    "the normalisation is used twice": lambda: Net(lambda net, x: net.bn(torch.sin(net.bn(net.conv(x))))),
    "its weights are made from others": lambda: Net(plain, Standardised(3, 8, 3)),
    "it normalises by the batch": lambda: Net(plain, norm=nn.BatchNorm2d(8, track_running_stats=False)),
    "it is no batch normalisation": lambda: Net(plain, norm=nn.GroupNorm(2, 8)),
}


@pytest.mark.parametrize("why", OTHERS)
def test_what_does_not_belong_to_one_convolution_alone_stays(why: str) -> None:
    net = unlike(OTHERS[why]())
    before = copy.deepcopy(net.state_dict())
    assert folded(net) == 0
    after = net.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_a_normalisation_that_is_in_training_stays() -> None:
    net = unlike(Net(plain))
    net.bn.train()
    assert fold(net, SHAPE) == 0
    assert isinstance(net.bn, nn.BatchNorm2d)


def test_a_normalisation_that_two_modules_hold_stays() -> None:
    net = unlike(Net(plain))
    net.again = net.bn
    assert folded(net) == 0


@pytest.mark.parametrize(
    "then",
    [
        lambda net, x: plain(net, x) + net.conv.weight.sum(),
        lambda net, x: plain(net, x) * net.bn.eps,
        lambda net, x: plain(net, x) + (net.conv.bias is None),
    ],
)
def test_a_network_that_looks_at_its_own_parts_is_left_as_it_was(then: Callable[[Any, Any], Any]) -> None:
    net = unlike(Net(then))
    before, bn = copy.deepcopy(net.state_dict()), net.bn
    assert folded(net) == 0
    assert net.bn is bn
    assert net.conv.bias is None
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_same_is_folded_at_every_call() -> None:
    one = unlike(models.resnet18(num_classes=5))
    other = copy.deepcopy(one)
    assert fold(one, (3, 64, 64)) == fold(other, (3, 64, 64)) == 20
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", ["resnet20", "resnet18", "resnet50.v1", "pnn", "lbcnn"])
def test_our_own_networks_are_folded(name: str) -> None:
    torch.manual_seed(0)
    it = load_plugins(entry_points=False).architecture(name)
    assert folded(it.build(10).eval(), (3, it.preprocess.crop, it.preprocess.crop)) > 0
