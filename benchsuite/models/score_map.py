"""Score maps for any network that ends in a global pooling, found by recording forward passes, never by name.

The map of the last global pooling is cut into windows of the size that it has at the nominal image size, at stride 1.
The pooling and what follows it then run once per window. Before that is used, three checks on random noise must pass:
only the pooled map reaches the logits; the map grows with the image; and the logits of a place (the first and the last
are compared) are those of its window alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode

from benchsuite.errors import BenchsuiteError, expected, first_line, no_score_map
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
"""Pixels (down, right) by which the larger trial image exceeds the nominal size: 2 and 3 places at stride 32."""


@dataclass(frozen=True, slots=True)
class ScoreMap:
    """How to compute a score map of a network.

    ``calls`` are the numbers of the global pooling calls within a forward pass, and ``window`` is the size (h, w) of a
    window of the feature map. ``parts`` are the two halves of the network if its plugin declares them; ``calls`` is
    then empty.
    """

    calls: tuple[int, ...]
    window: tuple[int, int]
    parts: DenseParts | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Pooling:
    """One pooling call of a forward pass: its number, the tensor passed to it, and that tensor as (n, k, h, w).

    ``whole`` says whether it pools the whole map, ``attended`` whether places were mixed before it (see ``_attends``).
    """

    call: int
    given: Any
    features: Any
    whole: bool
    attended: bool


class _Refused(Exception):
    """Why a network cannot make score maps."""


class _NotFinite(_Refused):
    """A logit of the network itself that is infinite or no number: nothing can be compared with it."""


class _PoolingRecorder(TorchFunctionMode):  # type: ignore[misc]
    """Records the poolings of a forward pass; replaces the maps of the calls in ``target`` by ``swap(map, pool)``.

    ``pool`` is the moving-window function that equals the call, or None if the call itself must see whole windows.
    """

    def __init__(self, target: Sequence[int] = (), swap: Callable[[Any, Any], Any] | None = None) -> None:
        super().__init__()
        self.target, self.swap = target, swap
        self.poolings: list[_Pooling] = []
        self.attends = False

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
        if self.swap is None or not any(call == one for one in self.target):  # torch 2.11 compiles ``in`` wrongly
            return func(*args, **kwargs)
        changed = self.swap(features, _pool_of_one(func, args, kwargs))
        back = changed.permute([order.index(axis) for axis in range(4)])
        return func(back, *args[1:], **{k: v for k, v in kwargs.items() if k not in ("input", "self")})


def derive(architecture: Architecture, module: Any, nominal: int) -> ScoreMap:
    """Finds out how to compute the score map of a network, which is in evaluation mode, on any device.

    ``nominal`` is the side in pixels of the image that gives one window. Raises ``UnsupportedProtocol`` with the reason
    if there is no score map, and ``BenchsuiteError`` for logits that are not finite.
    """
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
                return _from_parts(architecture.dense(module), module, images)
            return _from_pooling(module, images)
    except _NotFinite as reason:
        raise BenchsuiteError(expected(f"the logits of {architecture.name}", "finite", str(reason))) from None
    except _Refused as reason:
        raise no_score_map(architecture.name, nominal, str(reason)) from None


def score_map(module: Callable[[Any], Any], spec: ScoreMap, x: Any) -> tuple[Any, int]:
    """Logits at every place of the window, row by row. (n, 3, H, W) -> (n, places, c), and the number of places."""
    n = x.shape[0]
    if spec.parts is not None:
        windows = _windows(spec.parts.features(x), spec.window, F.avg_pool2d)
        logits = spec.parts.head(windows)
    else:
        with _PoolingRecorder(spec.calls, lambda features, pool: _windows(features, spec.window, pool)):
            logits = module(x)
    places = logits.shape[0] // n  # not of the recorder: torch 2.11 does not compile what reads its attributes
    return logits.reshape(n, places, -1), places


def _from_parts(parts: DenseParts, module: Any, images: Sequence[Any]) -> ScoreMap:
    """The score map from the parts that a plugin declares.

    Raises ``_Refused`` unless one window gives the network's own logits and a larger image can be computed.
    """
    h, w = _run(parts.features, images[0]).shape[2:]
    spec = ScoreMap((), (int(h), int(w)), parts)
    one, places = _run(lambda x: score_map(module, spec, x), images[0])
    if places != 1 or not _close(one[:, 0], _own(module, images[0])):
        raise _Refused("one window does not give the network's own logits")
    _run(lambda x: score_map(module, spec, x), images[2])
    return spec


def _from_pooling(module: Any, images: Sequence[Any]) -> ScoreMap:
    """The score map from the last global pooling, or poolings of one map, that passes every check.

    Raises ``_Refused`` if there is none, with what is wrong with the last one.
    """
    with _PoolingRecorder() as recorder:
        own = _own(module, images[0])
    reasons = []
    for pooling in reversed([p for p in recorder.poolings if p.whole]):
        calls = tuple(p.call for p in recorder.poolings if p.given is pooling.given)
        spec = ScoreMap(calls, (int(pooling.features.shape[2]), int(pooling.features.shape[3])))
        try:
            _check(module, spec, pooling, own, images)
        except _Refused as reason:
            reasons.append(reason)
        else:
            return spec
    raise reasons[0] if reasons else _Refused("it ends in no global pooling of a feature map")


def _check(module: Any, spec: ScoreMap, pooling: _Pooling, own: Any, images: Sequence[Any]) -> None:
    """Checks on random noise that these poolings give a score map. Raises ``_Refused`` for the first failure."""
    if pooling.attended:
        raise _Refused("it attends over places before its global pooling")
    image, other, larger = images
    if not _close(_with_map(module, spec, other, pooling.features), own):
        raise _Refused("more than the map of its last global pooling reaches the logits")
    maps: list[Any] = []

    def keep(features: Any, pool: Any) -> Any:
        maps.append(features)
        return _windows(features, spec.window, pool)

    with _PoolingRecorder(spec.calls, keep):
        logits = _run(module, larger)
    if not maps or maps[0].shape[2:] == spec.window:
        raise _Refused("the map of its last global pooling does not grow with the image")
    (h, w), (high, wide) = spec.window, maps[0].shape[2:]
    for place, top, left in ((0, 0, 0), (len(logits) - 1, high - h, wide - w)):
        one = _with_map(module, spec, image, maps[0][:, :, top : top + h, left : left + w])
        if not _close(logits[place : place + 1], one):
            raise _Refused("a place of its map is not its window's own logits")


def _with_map(module: Any, spec: ScoreMap, image: Any, features: Any) -> Any:
    """The logits of an image whose last feature map is replaced by another one."""
    with _PoolingRecorder(spec.calls, lambda _, pool: features):
        return _run(module, image)


def _run(module: Callable[[Any], Any], image: Any) -> Any:
    """A forward pass; raises ``_Refused`` if it fails."""
    try:
        return module(image)
    except Exception as error:
        raise _Refused(f"an image of {image.shape[2]}x{image.shape[3]} pixels fails: {first_line(error)}") from error


def _own(module: Any, image: Any) -> Any:
    """The network's own logits; raises ``_NotFinite`` if they are infinite or no numbers."""
    logits = _run(module, image)
    if isinstance(logits, torch.Tensor) and not bool(logits.isfinite().all()):
        odd = float(logits[~logits.isfinite()][0])
        raise _NotFinite(f"{odd} for random noise of {image.shape[2]}x{image.shape[3]} pixels")
    return logits


def _close(one: Any, other: Any) -> bool:
    """Whether logits are equal within float rounding: 1e-4 of the largest logit."""
    if one.shape != other.shape:
        return False
    return bool((one - other).abs().max() <= 1e-4 * max(1e-6, float(other.abs().max())))


def _order(func: Any, x: Any, args: Any, kwargs: Any) -> tuple[int, ...] | None:
    """The order of axes that makes a pooled tensor (n, k, h, w); None unless the call pools over height and width."""
    if not isinstance(x, torch.Tensor) or x.dim() != 4:
        return None
    if func in _MEANS or func in _MAXIMA:
        dims = args[1] if len(args) > 1 else kwargs.get("dim")
        axes = sorted(d % 4 for d in dims) if isinstance(dims, (tuple, list)) else []
        return {(2, 3): (0, 1, 2, 3), (1, 2): (0, 3, 1, 2)}.get(tuple(axes))
    return (0, 1, 2, 3)


def _is_whole(func: Any, features: Any, args: Any, kwargs: Any) -> bool:
    """Whether a pooling reduces the whole map to an output of fixed size."""
    if func in _ADAPTIVE:
        return None not in _pair(args[1] if len(args) > 1 else kwargs["output_size"])
    if func in (F.avg_pool2d, F.max_pool2d):
        size = _pair(args[1] if len(args) > 1 else kwargs["kernel_size"])
        padding = _pair(args[3] if len(args) > 3 else kwargs.get("padding", 0))
        return size == tuple(features.shape[2:]) and padding == (0, 0)
    return True


def _pool_of_one(func: Any, args: Any, kwargs: Any) -> Any:
    """The moving-window function that equals a pooling of a window to one place; None if there is none."""
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

    A product with a weight does not mix places, and neither does a softmax over branches, as in SKNet and ResNeSt.
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
