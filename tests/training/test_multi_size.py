"""Batch renormalisation and convolutions as products, compared with batch normalisation and plain convolutions."""

from __future__ import annotations

import pytest
import torch

from benchsuite.training.multi_size import MultiSizeMode


def test_batch_renormalisation_gives_the_value_of_the_running_statistics_once_it_is_whole() -> None:
    norm = torch.nn.BatchNorm2d(3)
    norm.running_mean.uniform_(-0.1, 0.1)
    norm.running_var.uniform_(0.8, 1.2)
    before = {name: tensor.clone() for name, tensor in norm.state_dict().items()}
    x = torch.randn(16, 3, 4, 4, requires_grad=True)
    mode = MultiSizeMode(several_sizes=True)
    for progress, running in ((0.1, False), (0.4, True)):
        norm.load_state_dict(before)
        expected = torch.nn.functional.batch_norm(
            x, before["running_mean"], before["running_var"], norm.weight, norm.bias
        )
        plain = torch.nn.functional.batch_norm(x, None, None, norm.weight, norm.bias, True)
        mode.progress = progress
        with mode:
            out = norm.train()(x)
        torch.testing.assert_close(out, expected if running else plain, rtol=1e-4, atol=1e-4)
        mean, variance = x.mean((0, 2, 3)), x.var((0, 2, 3), unbiased=not running)
        torch.testing.assert_close(norm.running_mean, before["running_mean"].lerp(mean, 0.1))
        torch.testing.assert_close(norm.running_var, before["running_var"].lerp(variance, 0.1))


@pytest.mark.parametrize("size", [1, 3])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("sides", [(1, 1), (2, 2), (2, 1), (1, 4), (3, 3), (4, 4), (7, 7)])
def test_convolutions_as_products_are_convolutions(size: int, stride: int, sides: tuple[int, int]) -> None:
    layer = torch.nn.Conv2d(5, 6, size, stride, size // 2).double()
    x = torch.randn(2, 5, *sides, dtype=torch.float64, requires_grad=True)
    plain = layer(x)
    with MultiSizeMode(several_sizes=False):
        product = layer(x)
    torch.testing.assert_close(product, plain)
    mine, theirs = (torch.autograd.grad(out.square().sum(), (x, layer.weight)) for out in (product, plain))
    torch.testing.assert_close(mine, theirs)
