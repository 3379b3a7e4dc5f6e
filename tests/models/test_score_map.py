"""Tests of score maps derived from networks, compared with a loop over windows; and networks without score maps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import timm
import torch
import torch.nn.functional as F
import torchvision
from reference import windows
from torch import nn
from torchvision import models

from benchsuite import (
    Architecture,
    BenchsuiteError,
    DenseParts,
    Input,
    Preprocess,
    UnsupportedProtocol,
    View,
    load_plugins,
)
from benchsuite.models.device import Compute
from benchsuite.models.network import Network
from benchsuite.models.score_map import ScoreMap, derive, score_map

PREPROCESS = Preprocess(64, 64, "bilinear", (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def architecture(module: Any, **fields: Any) -> Architecture:
    return Architecture("net", lambda classes: module, PREPROCESS, **fields)


def images(*size: int, n: int = 2) -> torch.Tensor:
    return torch.randn(n, 3, *size, generator=torch.Generator().manual_seed(3))


def awake(module: Any) -> Any:
    """A network with random normalisation statistics, so that all positions of its map differ."""
    generator = torch.Generator().manual_seed(1)
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.copy_(0.1 * torch.randn(layer.running_mean.shape, generator=generator))
            layer.running_var.copy_(0.5 + torch.rand(layer.running_var.shape, generator=generator))
    for parameter in module.parameters():
        if not parameter.detach().any():
            nn.init.normal_(parameter, std=0.05, generator=generator)
    return module.eval()


def same(got: Any, wanted: Any) -> None:
    """Asserts equality to 1e-5 of the largest logit, and that not all positions are equal."""
    assert got.shape == wanted.shape
    assert (wanted - wanted[:1]).abs().max() > 1e-3 * wanted.abs().max() or len(wanted) == 1
    assert (got - wanted).abs().max() <= 1e-5 * wanted.abs().max()


def check(module: Any, features: Callable[[Any], Any], head: Callable[[Any], Any], nominal: int, size: Any) -> None:
    """The derived score map of two images equals the loop over windows of each, and one window is the network."""
    found = derive(architecture(module), module, nominal)
    with torch.inference_mode():
        x = images(*size)
        got, places = score_map(module, found, x)
        assert places == got.shape[1] > 1
        for i, f in enumerate(features(x)):
            same(got[i], windows.score_map(f, head, found.window))
        one, count = score_map(module, found, x[:, :, :nominal, :nominal])
        assert count == 1
        torch.testing.assert_close(one[:, 0], module(x[:, :, :nominal, :nominal]), rtol=1e-5, atol=1e-5)


def resnet_features(m: Any) -> Callable[[Any], Any]:
    return nn.Sequential(m.conv1, m.bn1, m.relu, m.maxpool, m.layer1, m.layer2, m.layer3, m.layer4)


def shuffle_features(m: Any) -> Callable[[Any], Any]:
    return nn.Sequential(m.conv1, m.maxpool, m.stage2, m.stage3, m.stage4, m.conv5)


TORCHVISION: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "resnet18": (resnet_features, lambda m: windows.averaged(m.fc)),
    "resnet50": (resnet_features, lambda m: windows.averaged(m.fc)),
    "densenet121": (lambda m: nn.Sequential(m.features, nn.ReLU()), lambda m: windows.averaged(m.classifier)),
    "mobilenet_v2": (lambda m: m.features, lambda m: windows.averaged(m.classifier)),
    "mobilenet_v3_small": (lambda m: m.features, lambda m: windows.averaged(m.classifier)),
    "shufflenet_v2_x0_5": (shuffle_features, lambda m: windows.averaged(m.fc)),
    "mnasnet0_5": (lambda m: m.layers, lambda m: windows.averaged(m.classifier)),
    "efficientnet_b0": (lambda m: m.features, lambda m: windows.averaged(m.classifier)),
    "regnet_y_400mf": (lambda m: nn.Sequential(m.stem, m.trunk_output), lambda m: windows.averaged(m.fc)),
    "squeezenet1_1": (
        lambda m: nn.Sequential(m.features, m.classifier[:3]),
        lambda m: windows.averaged(nn.Identity()),
    ),
    "convnext_tiny": (
        lambda m: m.features,
        lambda m: windows.averaged(lambda f: m.classifier(f[:, :, None, None])),
    ),
}


@pytest.mark.parametrize("name", TORCHVISION)
def test_a_torchvision_network_equals_the_loop_over_windows(name: str) -> None:
    torch.manual_seed(0)
    module = awake(models.get_model(name, num_classes=5))
    features, head = TORCHVISION[name]
    check(module, features(module), head(module), 64, (96, 128))


def test_vgg_with_its_pooling_to_seven_by_seven_equals_the_loop_over_windows() -> None:
    torch.manual_seed(0)
    module = awake(models.vgg11(num_classes=5, init_weights=False))
    check(module, module.features, lambda w: module.classifier(module.avgpool(w).flatten(1)), 64, (64, 128))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("test_resnet", {}),
        ("test_resnet", {"global_pool": "max"}),
        ("test_resnet", {"global_pool": "avgmax"}),
        ("test_resnet", {"global_pool": "catavgmax"}),
        ("test_byobnet", {}),
        ("test_efficientnet", {}),
        ("test_convnext", {}),
        ("test_mambaout", {}),
        ("test_nfnet", {}),
        ("resnest14d", {}),
        ("ghostnet_050", {}),
        ("mobilenetv3_small_050", {}),
    ],
)
def test_a_timm_network_equals_its_own_head_on_every_window(name: str, options: dict[str, Any]) -> None:
    torch.manual_seed(0)
    module = awake(timm.create_model(name, num_classes=5, **options))
    last = name == "test_mambaout"

    def features(x: Any) -> Any:
        f = module.forward_features(x)
        return f.permute(0, 3, 1, 2) if last else f

    def head(window: Any) -> Any:
        return module.forward_head(window.permute(0, 2, 3, 1) if last else window)

    check(module, features, head, 96, (128, 160))


def test_a_cifar_resnet_equals_the_loop_over_windows() -> None:
    torch.manual_seed(0)
    module = awake(load_plugins(entry_points=False).architecture("resnet20").build(10))
    features = nn.Sequential(module.conv1, module.bn1, nn.ReLU(), module.layer1, module.layer2, module.layer3)
    check(module, features, windows.averaged(module.linear), 32, (40, 48))


def test_a_network_for_224_pixels_has_a_window_of_one_cell_at_32() -> None:
    torch.manual_seed(0)
    module = awake(models.resnet18(num_classes=5))
    check(module, resnet_features(module), windows.averaged(module.fc), 32, (64, 96))


def test_the_stride_chain_of_resnet_gives_the_known_map_sizes() -> None:
    module = models.resnet18().eval()
    found = derive(architecture(module), module, 224)
    assert found.window == (7, 7)
    with torch.device("meta"):
        shapes = models.resnet18().eval()
    last: list[tuple[int, ...]] = []
    shapes.layer4.register_forward_hook(lambda layer, given, out: last.append(tuple(out.shape[2:])))
    for side, cells, places in ((224, 7, 1), (256, 8, 2), (384, 12, 6), (480, 15, 9), (640, 20, 14)):
        scores, count = score_map(shapes, found, torch.empty(1, 3, side, side, device="meta"))
        assert last.pop() == (cells, cells)
        assert count == places**2
        assert scores.shape == (1, places**2, 1000)
    assert score_map(shapes, found, torch.empty(3, 3, 256, 341, device="meta"))[1] == 2 * 5


class Toy(nn.Module):
    """Two strided convolutions, then whatever a test wants to try."""

    def __init__(self, tail: Callable[..., Any], **layers: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.gate, self.mix, self.fc = nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, 1, 1), nn.Linear(8, 4)
        self.tail = tail
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.eval()

    def forward(self, x: Any) -> Any:
        return self.tail(self, self.stem(x), x)


def squeeze_and_excite(m: Any, f: Any, x: Any) -> Any:
    return m.mix(f * torch.sigmoid(m.gate(F.adaptive_avg_pool2d(f, 1))))


def unused_pooling_after(m: Any, f: Any, x: Any) -> Any:
    out = m.fc(f.mean((2, 3)))
    m.mix(f).mean((2, 3))
    return out


def pooled_twice(m: Any, f: Any, x: Any) -> Any:
    return m.fc(F.adaptive_avg_pool2d(m.gate(F.adaptive_avg_pool2d(f, 1)), 1).flatten(1))


TAILS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "mean": (lambda m, f, x: m.fc(f.mean([2, 3])), lambda m, f, x: f),
    "mean with keepdim": (lambda m, f, x: m.fc(f.mean((-1, -2), keepdim=True).flatten(1)), lambda m, f, x: f),
    "mean by name": (lambda m, f, x: m.fc(torch.mean(input=f, dim=(2, 3))), lambda m, f, x: f),
    "whole map average": (lambda m, f, x: m.fc(F.avg_pool2d(f, 8).flatten(1)), lambda m, f, x: f),
    "adaptive by name": (
        lambda m, f, x: m.fc(F.adaptive_avg_pool2d(input=f, output_size=(1, 1)).squeeze(-1).squeeze(-1)),
        lambda m, f, x: f,
    ),
    "channels last": (lambda m, f, x: m.fc(f.permute(0, 2, 3, 1).mean((1, 2))), lambda m, f, x: f),
    "squeeze and excite": (lambda m, f, x: m.fc(squeeze_and_excite(m, f, x).mean((2, 3))), squeeze_and_excite),
    "a pooling nobody uses": (unused_pooling_after, lambda m, f, x: f),
    "a pooling of the pooled": (pooled_twice, lambda m, f, x: f),
    "weight products": (lambda m, f, x: torch.matmul(f.mean((2, 3)), m.fc.weight.t()), lambda m, f, x: f),
}


@pytest.mark.parametrize("case", TAILS)
def test_the_pooling_that_matters_is_found(case: str) -> None:
    tail, features = TAILS[case]
    module = Toy(tail)

    def linear(f: Any) -> Any:
        if case == "a pooling of the pooled":
            f = module.gate(f[:, :, None, None]).flatten(1)
        return F.linear(f, module.fc.weight, None if case == "weight products" else module.fc.bias)

    check(module, lambda x: features(module, module.stem(x), x), windows.averaged(linear), 32, (40, 48))


@pytest.mark.parametrize("pool", [F.adaptive_max_pool2d, F.max_pool2d, torch.amax])
def test_a_maximum_over_the_map_equals_the_loop_over_windows(pool: Any) -> None:
    size: Any = {F.adaptive_max_pool2d: 1, F.max_pool2d: 8, torch.amax: (2, 3)}[pool]
    module = Toy(lambda m, f, x: m.fc(pool(f, size).flatten(1)))
    check(module, module.stem, lambda w: module.fc(w.amax((2, 3))), 32, (40, 48))


def test_a_pooling_to_a_grid_before_a_linear_layer_equals_the_loop_over_windows() -> None:
    module = Toy(
        lambda m, f, x: m.wide(m.pool(f).flatten(1)), pool=nn.AdaptiveAvgPool2d((7, 7)), wide=nn.Linear(392, 4)
    )
    for nominal in (28, 32):
        check(module, module.stem, lambda w: module.wide(module.pool(w).flatten(1)), nominal, (40, 48))


def test_a_grid_that_does_not_grow_is_passed_over_for_the_map_before_it() -> None:
    module = Toy(lambda m, f, x: m.fc(m.mix(F.adaptive_avg_pool2d(f, 4)).mean((2, 3))))
    check(module, module.stem, lambda w: module.tail(module, w, w), 32, (40, 48))


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "fixed linear": (lambda m, f, x: m.wide(f.flatten(1)), "ends in no global pooling"),
    "a second map": (
        lambda m, f, x: m.fc(m.mix(f).mean((2, 3)) + F.max_pool2d(f, 2).mean((2, 3))),
        "more than the map of its last global pooling",
    ),
    "a way around": (
        lambda m, f, x: m.fc(f.mean((2, 3))) + x.flatten(1).sum(1, keepdim=True),
        "more than the map of its last global pooling",
    ),
    "a gate after": (
        lambda m, f, x: m.fc((f * torch.sigmoid(m.gate(f.mean((2, 3), keepdim=True)))).flatten(2).mean(2)),
        "more than the map of its last global pooling",
    ),
    "attention": (
        lambda m, f, x: m.fc((f @ (f.transpose(2, 3) @ f).softmax(-1)).mean((2, 3))),
        "attends over places",
    ),
    "global context": (
        lambda m, f, x: m.fc((f + (f.flatten(2).softmax(-1) * f.flatten(2)).sum(2)[:, :, None, None]).mean((2, 3))),
        "attends over places",
    ),
    "a batch size kept": (
        lambda m, f, x: m.fc(f.mean((2, 3)).reshape(x.shape[0], 8)),
        "fails: shape",
    ),
    "a head that mixes the batch": (
        lambda m, f, x: m.fc(f.mean((2, 3)) + f.mean((2, 3)).mean(0, keepdim=True)),
        "a place of its map is not its window's own logits",
    ),
    "a fixed size": (lambda m, f, x: m.fc((f + m.place).mean((2, 3))), "96x128 pixels fails"),
    "a fixed grid": (
        lambda m, f, x: m.fc(F.interpolate(f, (8, 8)).mean((2, 3))),
        "does not grow with the image",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_network_without_score_maps_is_refused_with_the_reason(case: str) -> None:
    tail, reason = REFUSED[case]
    module = Toy(tail, wide=nn.Linear(512, 4), place=nn.Parameter(torch.ones(8, 8)))
    with pytest.raises(UnsupportedProtocol, match=reason) as error:
        derive(architecture(module), module, 32)
    assert "\n" not in str(error.value)
    assert "Use 1crop" in str(error.value)


def test_swin_is_refused_for_its_attention() -> None:
    from torchvision.models.swin_transformer import SwinTransformer

    swin = SwinTransformer([4, 4], 12, [1, 1], [1, 2], [4, 4], num_classes=5).eval()
    with pytest.raises(UnsupportedProtocol, match="attends over places"):
        derive(architecture(swin), swin, 64)


def test_a_vision_transformer_is_refused_even_when_its_size_is_not_declared() -> None:
    from torchvision.models.vision_transformer import VisionTransformer

    vit = VisionTransformer(32, 8, 1, 2, 16, 16, num_classes=5).eval()
    with pytest.raises(UnsupportedProtocol, match="ends in no global pooling"):
        derive(architecture(vit), vit, 32)


@pytest.mark.parametrize(
    "name", ["timm:vit_tiny_patch16_224", "timm:swin_tiny_patch4_window7_224", "torchvision:vit_b_16"]
)
def test_a_library_network_of_fixed_size_is_refused_before_it_is_built(name: str) -> None:
    found = load_plugins(entry_points=False).architecture(name)
    with pytest.raises(UnsupportedProtocol, match=f"Expected {name} to be .* its input size is fixed"):
        derive(found, None, 224)


@pytest.mark.parametrize("fields", [{"dense": None}, {"input": Input(fixed=True)}])
def test_an_architecture_may_declare_its_size_fixed(fields: dict[str, Any]) -> None:
    module = Toy(lambda m, f, x: m.fc(f.mean((2, 3))))
    with pytest.raises(UnsupportedProtocol, match="its input size is fixed"):
        derive(architecture(module, **fields), module, 32)


def test_an_architecture_may_give_its_own_parts() -> None:
    module = Toy(lambda m, f, x: m.fc(f.sum((2, 3)) / (f.shape[2] * f.shape[3])))
    with pytest.raises(UnsupportedProtocol, match="ends in no global pooling"):
        derive(architecture(module), module, 32)
    given = architecture(module, dense=lambda m: DenseParts(m.stem, lambda f: m.fc(f.flatten(1))))
    found = derive(given, module, 32)
    with torch.inference_mode():
        x = images(40, 48)
        got, places = score_map(module, found, x)
        assert places == 3 * 5
        for i, f in enumerate(module.stem(x)):
            same(got[i], windows.score_map(f, windows.averaged(module.fc), (8, 8)))


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (lambda m: DenseParts(m.stem, lambda f: 2 * m.fc(f.flatten(1))), "one window does not give"),
        (lambda m: DenseParts(m.stem, m.fc), "pixels fails"),
        (lambda m: DenseParts(lambda x: m.stem(x) + m.place, lambda f: m.fc(f.flatten(1))), "pixels fails"),
    ],
)
def test_parts_that_do_not_make_the_network_are_refused(parts: Any, reason: str) -> None:
    module = Toy(lambda m, f, x: m.fc((f + m.place[: f.shape[2], : f.shape[3]]).mean((2, 3))), place=torch.zeros(8, 8))
    with pytest.raises(UnsupportedProtocol, match=reason):
        derive(architecture(module, dense=parts), module, 32)


def network(module: Any, nominal: int) -> Network:
    found = derive(architecture(module), module, nominal)
    return Network(module, PREPROCESS, Compute(), {nominal: found})


def pixels(*size: int, n: int = 3) -> Any:
    return np.random.default_rng(0).integers(0, 256, (n, *size, 3), dtype=np.uint8)


@pytest.mark.parametrize("spatial", ["mean", "prob", "avgmax"])
def test_a_map_becomes_one_score_as_its_twin_says(spatial: Any) -> None:
    torch.manual_seed(0)
    module = awake(models.resnet18(num_classes=5))
    module.fc.weight.data *= 20
    net = network(module, 64)
    image = pixels(96, 128)
    flips = np.array([False, True, False])
    got, places = net(image, flips, View(96, dense=True, nominal=64, spatial=spatial))
    assert places == 2 * 3
    with torch.inference_mode():
        maps = resnet_features(module)(net.normalised(image, flips))
    for row, f in zip(got, maps, strict=True):
        wanted = windows.over_places(windows.score_map(f, windows.averaged(module.fc), (2, 2)), spatial)
        np.testing.assert_allclose(row, wanted, rtol=1e-4, atol=1e-4)


def test_gap_is_the_network_on_the_whole_image() -> None:
    torch.manual_seed(0)
    module = awake(models.resnet18(num_classes=5))
    net = network(module, 64)
    image, flips = pixels(96, 128), np.zeros(3, dtype=bool)
    got, places = net(image, flips, View(96, dense=True, nominal=64, spatial="gap"))
    mean, _ = net(image, flips, View(96, dense=True, nominal=64))
    assert places == 1
    with torch.inference_mode():
        maps = resnet_features(module)(net.normalised(image, flips))
        wanted = module.fc(maps.double().mean((2, 3)).float())
    np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-5, atol=1e-5)
    assert np.abs(got - mean).max() > 1e-3


def test_avgmax_is_test_time_pooling_of_timm() -> None:
    torch.manual_seed(0)
    module = awake(timm.create_model("resnet18", num_classes=5))
    net = network(module, 64)
    image, flips = pixels(96, 128), np.zeros(3, dtype=bool)
    got, _ = net(image, flips, View(96, dense=True, nominal=64, spatial="avgmax"))
    with torch.inference_mode():
        x = net.normalised(image, flips)
        wanted = timm.layers.TestTimePoolHead(module, original_pool=2)(x)
    np.testing.assert_allclose(got, wanted.numpy(), rtol=1e-5, atol=1e-5)


def test_places_where_all_probabilities_vanish_stay_finite() -> None:
    module = Toy(lambda m, f, x: 1e4 * m.fc(f.mean((2, 3))))
    got, _ = network(module, 32)(
        pixels(40, 48), np.zeros(3, dtype=bool), View(40, dense=True, nominal=32, spatial="prob")
    )
    assert np.isfinite(got).all()
    assert got.min() < -200


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_network_whose_own_logits_are_not_finite_is_not_called_unfit(bad: float) -> None:
    module = Toy(lambda m, f, x: bad * m.fc(f.mean((2, 3))))
    with pytest.raises(BenchsuiteError, match=r"^Expected the logits of net to be finite, got (nan|-?inf) for random"):
        derive(architecture(module), module, 32)
    parts = DenseParts(module.stem, lambda f: bad * module.fc(f.mean((2, 3))))
    with pytest.raises(BenchsuiteError, match=r"^Expected the logits of net to be finite"):
        derive(architecture(module, dense=lambda _: parts), module, 32)


def test_two_nominal_sizes_have_a_window_each() -> None:
    module = Toy(lambda m, f, x: m.fc(f.mean((2, 3))))
    scores: dict[int, ScoreMap] = {n: derive(architecture(module), module, n) for n in (32, 40)}
    net = Network(module, PREPROCESS, Compute(), scores)
    flips = np.zeros(3, dtype=bool)
    assert net(pixels(48, 48), flips, View(48, dense=True, nominal=32))[1] == 5 * 5
    assert net(pixels(48, 48), flips, View(48, dense=True, nominal=40))[1] == 3 * 3


def test_a_score_map_does_not_depend_on_the_batch() -> None:
    torch.manual_seed(0)
    module = awake(torchvision.models.mobilenet_v3_small(num_classes=5))
    found = derive(architecture(module), module, 64)
    with torch.inference_mode():
        x = images(96, 128, n=5)
        together = score_map(module, found, x)[0]
        alone = torch.cat([score_map(module, found, x[i : i + 1])[0] for i in range(5)])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_a_score_map_is_compiled_as_a_whole() -> None:
    """torch 2.11 gives no value for ``with ... as``, and its ``in`` does not find a number of ``calls``."""
    layers = nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    module = awake(nn.Sequential(*layers, nn.Linear(8, 5)))
    spec = derive(architecture(module), module, 32)
    assert spec.calls == (1,)
    compiled = torch.compile(score_map, dynamic=True, backend="eager", fullgraph=True)
    with torch.inference_mode():
        for size in ((32, 64), (48, 61)):
            got, wanted = (function(module, spec, images(*size)) for function in (compiled, score_map))
            assert got[1] == wanted[1] > 1
            same(got[0][0], wanted[0][0])
