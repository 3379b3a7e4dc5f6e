"""Score maps for any network that ends in a global pooling: found by watching one forward pass, never by name.

The last global pooling that a network calls is replaced by a window as large as the feature map at the nominal size,
moved at stride 1; what follows the pooling then runs once per place. A network is refused when it attends over the
whole image before that pooling, when it cannot take a larger image, or when one window does not give its own logits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from benchsuite.errors import UnsupportedProtocol
from benchsuite.specs import Architecture, DenseParts

_MEANS = (torch.mean, torch.Tensor.mean)
_ATTENTION = (F.scaled_dot_product_attention, F.multi_head_attention_forward, torch.softmax, F.softmax)
_ATTENTION += (torch.Tensor.softmax,)


@dataclass(frozen=True, slots=True)
class ScoreMap:
    """How a network makes a score map: which pooling call is the global one, and the window (h, w) in features."""

    call: int
    window: tuple[int, int]
    parts: DenseParts | None = None


class _Watch(TorchFunctionMode):
    """Numbers the global poolings of a forward pass; with ``target``, that call pools windows instead."""

    def __init__(self, target: int = -1, window: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self.target, self.window = target, window
        self.calls: list[tuple[int, int]] = []
        self.attention_before: list[bool] = []
        self.attends = False
        self.map: tuple[int, int] = (1, 1)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _ATTENTION:
            self.attends = True
        features = _pooled(func, args, kwargs)
        if features is None:
            return func(*args, **kwargs)
        self.calls.append((features.shape[2], features.shape[3]))
        self.attention_before.append(self.attends)
        if len(self.calls) - 1 != self.target:
            return func(*args, **kwargs)
        windows, self.map = _windows(features, self.window, _is_mean(func, args, kwargs))
        return func(windows, *args[1:], **{k: v for k, v in kwargs.items() if k not in ("input", "self")})


def derive(architecture: Architecture, module: Any, nominal: int) -> ScoreMap:
    """The score map of a network in evaluation mode on any device. Raises ``UnsupportedProtocol`` with the reason."""
    if architecture.dense is None or architecture.input.fixed:
        raise _fixed(architecture, architecture.note or "its input size is fixed", nominal)
    device = next(module.parameters()).device
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(1, architecture.input.channels, nominal, nominal, generator=generator).to(device)
    larger = torch.randn(1, architecture.input.channels, nominal + 64, nominal + 96, generator=generator).to(device)
    with torch.inference_mode():
        if callable(architecture.dense):
            parts = architecture.dense(module)
            h, w = parts.features(image).shape[2:]
            found = ScoreMap(0, (int(h), int(w)), parts)
        else:
            with _Watch() as watch:
                module(image)
            if not watch.calls:
                raise _fixed(architecture, "it ends in no global pooling of a feature map", nominal)
            if watch.attention_before[-1]:
                raise _fixed(architecture, "it attends over the whole image before its global pooling", nominal)
            found = ScoreMap(len(watch.calls) - 1, watch.calls[-1])
        try:
            one, places = score_map(module, found, image)
            score_map(module, found, larger)
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise _fixed(architecture, f"a larger image fails: {reason}", nominal) from error
        if places != 1 or not torch.allclose(one[:, 0], module(image), rtol=1e-3, atol=1e-4):
            raise _fixed(architecture, "one window does not give the network's own logits", nominal)
    return found


def score_map(module: Callable[[Any], Any], found: ScoreMap, x: Any) -> tuple[Any, int]:
    """Logits at every place of the window. (n, 3, H, W) -> (n, places, c) and the number of places."""
    n = x.shape[0]
    if found.parts is not None:
        windows, (h, w) = _windows(found.parts.features(x), found.window, mean=True)
        logits = found.parts.head(windows)
    else:
        with _Watch(found.call, found.window) as watch:
            logits = module(x)
        h, w = watch.map
    return logits.reshape(n, h * w, -1), h * w


def _pooled(func: Any, args: Any, kwargs: Any) -> Any:
    """The (n, k, h, w) input of a call that pools all of it to one place, or to the size it already has; else None."""
    x = args[0] if args else kwargs.get("input", kwargs.get("self"))
    if not isinstance(x, torch.Tensor) or x.dim() != 4:
        return None
    if func in (F.adaptive_avg_pool2d, F.adaptive_max_pool2d):
        size = _pair(args[1] if len(args) > 1 else kwargs["output_size"])
        return x if size == (1, 1) or (func is F.adaptive_avg_pool2d and size == tuple(x.shape[2:])) else None
    if func in (F.avg_pool2d, F.max_pool2d):
        size = _pair(args[1] if len(args) > 1 else kwargs["kernel_size"])
        return x if size == tuple(x.shape[2:]) else None
    if func in _MEANS:
        dims = args[1] if len(args) > 1 else kwargs.get("dim")
        if isinstance(dims, (tuple, list)) and sorted(d % 4 for d in dims) == [2, 3]:
            return x
    return None


def _is_mean(func: Any, args: Any, kwargs: Any) -> bool:
    if func is F.adaptive_avg_pool2d:
        return _pair(args[1] if len(args) > 1 else kwargs["output_size"]) == (1, 1)
    return func in _MEANS


def _windows(features: Any, window: tuple[int, int], mean: bool) -> tuple[Any, tuple[int, int]]:
    """Every window as a batch entry. (n, k, h, w) -> (n * places, k, 1, 1) means or (n * places, k, *window)."""
    if mean:
        pooled = F.avg_pool2d(features, window, stride=1)
        n, k, h, w = pooled.shape
        return pooled.permute(0, 2, 3, 1).reshape(n * h * w, k, 1, 1), (h, w)
    cut = features.unfold(2, window[0], 1).unfold(3, window[1], 1)
    n, k, h, w = cut.shape[:4]
    return cut.permute(0, 2, 3, 1, 4, 5).reshape(n * h * w, k, *window), (h, w)


def _pair(size: Any) -> tuple[Any, Any]:
    values = tuple(size) if isinstance(size, (tuple, list, torch.Size)) else (size, size)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])


def _fixed(architecture: Architecture, reason: str, nominal: int) -> UnsupportedProtocol:
    return UnsupportedProtocol(
        f"Expected {architecture.name} to be fully convolutional up to a global pooling, got a network that is not: "
        f"{reason}. Use 1crop, 10crop, multicrop or tta at {nominal} pixels instead"
    )
