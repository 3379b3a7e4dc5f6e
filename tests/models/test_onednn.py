"""Tests that one and two threads give the same bits: results do not depend on how processes share the cores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from benchsuite import Crop, View, load_plugins
from benchsuite.models import onednn as by
from benchsuite.models.device import Compute
from benchsuite.models.network import open_network
from benchsuite.models.onednn import onednn

pytestmark = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="this torch is built without oneDNN")

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def with_threads(work: Any) -> list[Any]:
    """The results with one thread and with two."""
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(work())
    return found


@pytest.mark.parametrize("name", ["resnet50", "timm:convnext_atto", "timm:mobilenetv3_small_100"])
@pytest.mark.parametrize("view", [View(72, crop=Crop(64)), View(128, dense=True, nominal=64)])
@pytest.mark.parametrize("n", [1, 3])
def test_a_network_gives_the_same_bits_with_one_thread_and_with_two(name: str, view: View, n: int) -> None:
    architecture = load_plugins().architecture(name)
    torch.manual_seed(0)
    module = architecture.build(1000)
    network = open_network(architecture, module, architecture.preprocess, (view,), 1000, Compute())
    side = 128 if view.dense else 64
    pixels = np.random.default_rng(0).integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    one, two = with_threads(lambda: network(pixels, np.zeros(n, dtype=bool), view)[0])
    assert np.array_equal(one, two)


@pytest.mark.parametrize("n", [1, 2, 16])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize(
    "how",
    [{}, {"bias": True}, {"padding": (1, 0)}, {"padding": "same"}, {"stride": 2}, {"dilation": (2,)}, {"groups": 4}],
)
@pytest.mark.parametrize("memory", [torch.channels_last, torch.contiguous_format])
def test_a_convolution_is_that_of_torch_but_for_rounding(n: int, kernel: int, how: Any, memory: Any) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, 8, 9, 7, generator=generator).contiguous(memory_format=memory)
    weight = torch.randn(12, 8 // how.get("groups", 1), kernel, kernel, generator=generator)
    words = how | ({"bias": torch.randn(12, generator=generator)} if "bias" in how else {})
    exact = F.conv2d(x.double(), weight.double(), **{k: v.double() if k == "bias" else v for k, v in words.items()})
    with torch.inference_mode(), onednn(CPU):
        for found in with_threads(lambda: F.conv2d(x, weight, **words)):
            torch.testing.assert_close(found, exact.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(300,), (1, 300), (9, 300), (2, 5, 300)])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_is_that_of_torch_but_for_rounding(shape: tuple[int, ...], bias: bool) -> None:
    generator = torch.Generator().manual_seed(0)
    layer = torch.nn.Linear(300, 1000, bias=bias)
    x = torch.randn(*shape, generator=generator)
    exact = layer.double()(x.double())
    layer.float()
    with torch.inference_mode(), onednn(CPU):
        one, two = with_threads(lambda: layer(x))
    assert torch.equal(one, two)
    torch.testing.assert_close(one, exact.float(), rtol=1e-5, atol=1e-5)


def test_a_torch_whose_inner_functions_are_others_does_without(monkeypatch: pytest.MonkeyPatch) -> None:
    x, weight = torch.randn(2, 8, 5, 5), torch.randn(4, 8, 1, 1)
    wanted = F.conv2d(x, weight)

    def fails(*arguments: Any) -> Any:
        raise TypeError("takes nine positional arguments")

    for stand_in in (fails, lambda *arguments: wanted + 1):
        monkeypatch.setattr(by, "_convolution", stand_in)
        by._works.cache_clear()
        with torch.inference_mode(), onednn(CPU):
            assert torch.equal(F.conv2d(x, weight), wanted)
    by._works.cache_clear()


def test_other_types_and_nothing_at_all_are_left_to_torch() -> None:
    x, weight = torch.randn(2, 8, 5, 5), torch.randn(4, 8, 1, 1)
    with torch.inference_mode(), onednn(CPU):
        assert F.conv2d(x.double(), weight.double()).dtype is torch.float64
        assert F.linear(x.double(), torch.randn(3, 5).double()).dtype is torch.float64
        assert F.conv2d(x[0], weight).shape == (4, 5, 5)
        assert F.conv2d(x[:0], weight).shape == (0, 4, 5, 5)
        with torch.autocast("cpu", torch.bfloat16):
            assert F.conv2d(x, weight).dtype is torch.bfloat16
            assert F.linear(x, torch.randn(3, 5)).dtype is torch.bfloat16
