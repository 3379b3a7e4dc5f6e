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
        n, c, h, w = x.shape
        rows = x.permute(0, 2, 3, 1).view(n, h, w * c)  # in memory order: one long row is faster than w short ones
        if self.preprocess.range != 255:
            rows.div_(self.largest)
            if self.preprocess.range != 1:
                rows.mul_(self.preprocess.range)
        rows.sub_(self.mean.expand(c).repeat(w)).div_(self.std.expand(c).repeat(w))
        return x
