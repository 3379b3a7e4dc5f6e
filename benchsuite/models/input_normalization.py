"""uint8 pixels to the input of a network: torchvision's ToTensor and Normalize for whole batches, on the device."""

from __future__ import annotations

from typing import Any

import torch

from benchsuite.specs.preprocess import Preprocess


class InputNormalization:
    """Applies the arithmetic of a ``Preprocess`` on a device: calling it converts uint8 pixels to float32.

    ``mean`` and ``std`` are (c,), or (1,) for every channel.
    """

    def __init__(self, preprocess: Preprocess, device: Any) -> None:
        self.preprocess = preprocess
        self.largest = torch.tensor(255.0, device=device)  # CUDA multiplies by the reciprocal of a number of the host
        self.mean, self.std = (torch.tensor(v, device=device) for v in (preprocess.mean, preprocess.std))

    def __call__(self, pixels: Any) -> Any:
        """uint8 (n, h, w, c), RGB -> float32 (n, c, h, w), channels last in memory; bit for bit torchvision's result.

        With ``range`` 255 the pixels are not divided by 255, as networks from Caffe expect.
        """
        x = pixels.permute(0, 3, 1, 2)
        if self.preprocess.channel_order == "BGR":
            x = x.flip(1)
        x = x.to(torch.float32, memory_format=torch.channels_last)
        rows = _rows(x)
        if self.preprocess.range != 255:
            rows.div_(self.largest)
            if self.preprocess.range != 1:
                rows.mul_(self.preprocess.range)
        return self._shifted(x)

    def unit(self, pixels: Any) -> Any:
        """uint8 (n, h, w, c) -> float32 (n, c, h, w) in [0, 1], in the same order of channels, channels last."""
        x = pixels.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
        _rows(x).div_(self.largest)
        return x

    def of_unit(self, x: Any) -> Any:
        """float32 (n, c, h, w) in [0, 1], RGB -> the input of the network. Differentiable; ``x`` is not changed."""
        x = x.flip(1) if self.preprocess.channel_order == "BGR" else x
        if not torch.is_grad_enabled():  # in place, three times as fast
            x = x.clone(memory_format=torch.channels_last)
            if self.preprocess.range != 1:
                _rows(x).mul_(self.preprocess.range)
            return self._shifted(x)
        if self.preprocess.range != 1:
            x = x * self.preprocess.range
        mean, std = (v.view(1, -1, 1, 1) for v in (self.mean, self.std))
        return ((x - mean) / std).contiguous(memory_format=torch.channels_last)

    def _shifted(self, x: Any) -> Any:
        """Subtracts the mean and divides by ``std``, in place; ``x`` is channels last."""
        c, w = x.shape[1], x.shape[3]
        _rows(x).sub_(self.mean.expand(c).repeat(w)).div_(self.std.expand(c).repeat(w))
        return x


def _rows(x: Any) -> Any:
    """(n, c, h, w) that is channels last in memory -> (n, h, w * c), in memory order: faster than w short rows."""
    n, c, h, w = x.shape
    return x.permute(0, 2, 3, 1).view(n, h, w * c)
