"""Score maps for any network that ends in a global pooling: found by watching forward passes, never by name.

The last pooling of a whole feature map is given windows of that map, as large as the map at the nominal size and moved
at stride 1; what follows then runs once per window. Before it is used, a network shows on noise that nothing but the
pooled map reaches its logits, that the map grows with the image, and that each place is the window's own logits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from benchsuite.errors import first_line, no_score_map
from benchsuite.specs.architecture import Architecture, DenseParts

_MEANS = (torch.mean, torch.Tensor.mean)
_MAXIMA = (torch.amax, torch.Tensor.amax)
_ADAPTIVE = (F.adaptive_avg_pool2d, F.adaptive_max_pool2d)
_POOLS = frozenset((*_MEANS, *_MAXIMA, *_ADAPTIVE, F.avg_pool2d, F.max_pool2d))
_ATTENTION = (F.scaled_dot_product_attention, F.multi_head_attention_forward)
_PRODUCTS = (torch.matmul, torch.Tensor.matmul, torch.Tensor.__matmul__, torch.bmm, torch.Tensor.bmm, torch.einsum)
_SOFTMAX = (torch.softmax, torch.Tensor.softmax, F.softmax)
_MIXING = frozenset((*_ATTENTION, *_PRODUCTS, *_SOFTMAX))
_GROWTH = (64, 96)
"""Pixels (down, right) that the larger trial image has more than the nominal one: 2 x 3 places at stride 32."""


@dataclass(frozen=True, slots=True)
class ScoreMap:
    """How a network makes a score map: which pooling calls are the global ones, and the window (h, w) in features."""

    calls: tuple[int, ...]
    window: tuple[int, int]
    parts: DenseParts | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Pooling:
    """One pooling call of a forward pass: its number, the (n, k, h, w) map, and what had happened before."""

    call: int
    given: Any
    features: Any
    whole: bool
    attended: bool


class _Refused(Exception):
    """Why a network cannot make score maps."""


class _PoolingRecorder(TorchFunctionMode):  # type: ignore[misc]
    """Numbers the poolings of a forward pass; the maps of the calls in ``target`` are replaced by ``swap(map, pool)``.

    ``pool`` is the function that pools one window, or None where the call itself has to see the whole window.
    """

    def __init__(self, target: Sequence[int] = (), swap: Callable[[Any, Any], Any] | None = None) -> None:
        super().__init__()
        self.target, self.swap = target, swap
        self.poolings: list[_Pooling] = []
        self.attends = False
        self.batch = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in _MIXING:
            self.attends = self.attends or _attends(func, args, kwargs)
        elif func in _POOLS:
            x = args[0] if args else kwargs.get("input", kwargs.get("self"))
            order = _order(func, x, args, kwargs)
            if order is not None:
                return self._pool(func, x, order, args, kwargs)
        return func(*args, **kwargs)

    def _pool(self, func: Any, x: Any, order: tuple[int, ...], args: Any, kwargs: Any) -> Any:
        features, call = x.permute(order), len(self.poolings)
        whole = _is_whole(func, features, args, kwargs)
        self.poolings.append(_Pooling(call, x, features, whole, self.attends))
        if self.swap is None or call not in self.target:
            return func(*args, **kwargs)
        changed = self.swap(features, _pool_of_one(func, args, kwargs))
        self.batch = changed.shape[0]
        back = changed.permute([order.index(axis) for axis in range(4)])
        return func(back, *args[1:], **{k: v for k, v in kwargs.items() if k not in ("input", "self")})


def derive(architecture: Architecture, module: Any, nominal: int) -> ScoreMap:
    """The score map of a network in evaluation mode on any device. Raises ``UnsupportedProtocol`` with the reason."""
    try:
        if architecture.dense is None or architecture.input.fixed:
            raise _Refused("its input size is fixed")
        device = next(module.parameters()).device
        down, right = _GROWTH
        sizes = ((nominal, nominal), (nominal, nominal), (nominal + down, nominal + right))
        generator = torch.Generator().manual_seed(0)
        images = [torch.randn(1, architecture.input.channels, *s, generator=generator).to(device) for s in sizes]
        with torch.inference_mode():
            if callable(architecture.dense):
                return _given(architecture.dense(module), module, images)
            return _found(module, images)
    except _Refused as reason:
        raise no_score_map(architecture.name, nominal, str(reason)) from None


def score_map(module: Callable[[Any], Any], found: ScoreMap, x: Any) -> tuple[Any, int]:
    """Logits at every place of the window. (n, 3, H, W) -> (n, places, c) and the number of places, row by row."""
    n = x.shape[0]
    if found.parts is not None:
        windows = _windows(found.parts.features(x), found.window, F.avg_pool2d)
        logits = found.parts.head(windows)
        places = windows.shape[0] // n
    else:
        with _PoolingRecorder(found.calls, lambda features, pool: _windows(features, found.window, pool)) as recorder:
            logits = module(x)
        places = recorder.batch // n
    return logits.reshape(n, places, -1), places


def _given(parts: DenseParts, module: Any, images: Sequence[Any]) -> ScoreMap:
    """Checks the parts that a plugin gives: one window is the network's own logits, and a larger image works."""
    h, w = _run(parts.features, images[0]).shape[2:]
    found = ScoreMap((), (int(h), int(w)), parts)
    one, places = _run(lambda x: score_map(module, found, x), images[0])
    if places != 1 or not _close(one[:, 0], _run(module, images[0])):
        raise _Refused("one window does not give the network's own logits")
    _run(lambda x: score_map(module, found, x), images[2])
    return found


def _found(module: Any, images: Sequence[Any]) -> ScoreMap:
    """The last pooling, or poolings of one map, that passes every check. Raises ``_Refused`` for the last one."""
    with _PoolingRecorder() as recorder:
        own = _run(module, images[0])
    reasons = []
    for pooling in reversed([p for p in recorder.poolings if p.whole]):
        calls = tuple(p.call for p in recorder.poolings if p.given is pooling.given)
        found = ScoreMap(calls, (int(pooling.features.shape[2]), int(pooling.features.shape[3])))
        try:
            _check(module, found, pooling, own, images)
        except _Refused as reason:
            reasons.append(reason)
        else:
            return found
    raise reasons[0] if reasons else _Refused("it ends in no global pooling of a feature map")


def _check(module: Any, found: ScoreMap, pooling: _Pooling, own: Any, images: Sequence[Any]) -> None:
    """Shows on noise that the poolings found make a score map. Raises ``_Refused`` with the first thing amiss."""
    if pooling.attended:
        raise _Refused("it attends over places before its global pooling")
    image, other, larger = images
    if not _close(_with_map(module, found, other, pooling.features), own):
        raise _Refused("more than the map of its last global pooling reaches the logits")
    maps: list[Any] = []

    def keep(features: Any, pool: Any) -> Any:
        maps.append(features)
        return _windows(features, found.window, pool)

    with _PoolingRecorder(found.calls, keep):
        logits = _run(module, larger)
    if not maps or maps[0].shape[2:] == found.window:
        raise _Refused("the map of its last global pooling does not grow with the image")
    (h, w), (high, wide) = found.window, maps[0].shape[2:]
    for place, top, left in ((0, 0, 0), (len(logits) - 1, high - h, wide - w)):
        one = _with_map(module, found, image, maps[0][:, :, top : top + h, left : left + w])
        if not _close(logits[place : place + 1], one):
            raise _Refused("a place of its map is not its window's own logits")


def _with_map(module: Any, found: ScoreMap, image: Any, features: Any) -> Any:
    """The logits of an image whose last feature map is replaced by another one."""
    with _PoolingRecorder(found.calls, lambda _, pool: features):
        return _run(module, image)


def _run(module: Callable[[Any], Any], image: Any) -> Any:
    """A forward pass whose failure is a reason to refuse."""
    try:
        return module(image)
    except Exception as error:
        raise _Refused(f"an image of {image.shape[2]}x{image.shape[3]} pixels fails: {first_line(error)}") from error


def _close(one: Any, other: Any) -> bool:
    """Equal but for float rounding, measured against the largest logit."""
    if one.shape != other.shape:
        return False
    return bool((one - other).abs().max() <= 1e-4 * max(1e-6, float(other.abs().max())))


def _order(func: Any, x: Any, args: Any, kwargs: Any) -> tuple[int, ...] | None:
    """The order of axes that makes a pooled tensor (n, k, h, w); None for what is no pooling over height and width."""
    if not isinstance(x, torch.Tensor) or x.dim() != 4:
        return None
    if func in _MEANS or func in _MAXIMA:
        dims = args[1] if len(args) > 1 else kwargs.get("dim")
        axes = sorted(d % 4 for d in dims) if isinstance(dims, (tuple, list)) else []
        return {(2, 3): (0, 1, 2, 3), (1, 2): (0, 3, 1, 2)}.get(tuple(axes))
    return (0, 1, 2, 3)


def _is_whole(func: Any, features: Any, args: Any, kwargs: Any) -> bool:
    """Whether a pooling takes all of the map to an output of fixed size."""
    if func in _ADAPTIVE:
        return None not in _pair(args[1] if len(args) > 1 else kwargs["output_size"])
    if func in (F.avg_pool2d, F.max_pool2d):
        size = _pair(args[1] if len(args) > 1 else kwargs["kernel_size"])
        padding = _pair(args[3] if len(args) > 3 else kwargs.get("padding", 0))
        return size == tuple(features.shape[2:]) and padding == (0, 0)
    return True


def _pool_of_one(func: Any, args: Any, kwargs: Any) -> Any:
    """The moving-window function equal to a pooling call that makes one place of each window; None if there is none."""
    if func in _ADAPTIVE and _pair(args[1] if len(args) > 1 else kwargs["output_size"]) != (1, 1):
        return None
    if func in _MEANS or func is F.adaptive_avg_pool2d:
        return F.avg_pool2d
    return F.max_pool2d if func in _MAXIMA or func is F.adaptive_max_pool2d else None


def _windows(features: Any, window: tuple[int, int], pool: Any) -> Any:
    """Every window as a batch entry. (n, k, h, w) -> (n * places, k, 1, 1) pooled, or (n * places, k, *window)."""
    if pool is not None:
        pooled = pool(features, window, stride=1)
        n, k, h, w = pooled.shape
        return pooled.permute(0, 2, 3, 1).reshape(n * h * w, k, 1, 1)
    cut = features.unfold(2, window[0], 1).unfold(3, window[1], 1)
    n, k, h, w = cut.shape[:4]
    return cut.permute(0, 2, 3, 1, 4, 5).reshape(n * h * w, k, *window)


def _attends(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether a call mixes places: attention, a product of two feature tensors, or a softmax over the last axis.

    A product with a weight does not, nor does a softmax over branches, as in SKNet and ResNeSt.
    """
    if func in _ATTENTION:
        return True
    if func in _SOFTMAX:
        x, dim = args[0] if args else kwargs["input"], args[1] if len(args) > 1 else kwargs.get("dim")
        return x.dim() > 2 and dim in (-1, x.dim() - 1)
    values = [v for a in (*args, *kwargs.values()) for v in (a if isinstance(a, (tuple, list)) else (a,))]
    tensors = [v for v in values if isinstance(v, torch.Tensor)]
    return len(tensors) > 1 and not any(isinstance(t, torch.nn.Parameter) for t in tensors)


def _pair(size: Any) -> tuple[Any, Any]:
    values = tuple(size) if isinstance(size, (tuple, list, torch.Size)) else (size, size)
    return (values[0], values[0]) if len(values) == 1 else (values[0], values[1])
