"""Folds batch normalisations into the convolutions before them: the same function in fewer passes over memory.

The pairs are found by recording a forward pass, never by name. The folded network is then run on random noise: if its
logits differ by more than rounding, the folding is undone.
"""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

CLOSE = 1e-5
"""Largest allowed change of a logit, relative to the largest logit. Rounding alone causes about a tenth of this."""

_METADATA_CALLS = frozenset(("__get__", "dim", "size", "numel", "stride", "is_contiguous", "is_floating_point"))
"""Functions that read a tensor's shape, type or layout, but not its values."""


@dataclass(frozen=True, slots=True, eq=False)
class _FoldablePair:
    """A convolution whose output is read by one batch normalisation only; the latter is ``parent.name``."""

    convolution: nn.Conv2d
    norm: nn.BatchNorm2d
    parent: nn.Module
    name: str


class _CallRecorder(TorchFunctionMode):  # type: ignore[misc]
    """Records the convolutions and batch normalisations of a forward pass, and what reads the convolutions' outputs.

    ``outputs`` maps the id of an output to the id of its convolution's weight and a reference to the output; ``reads``
    counts per weight how often the output was read; ``calls`` counts the calls per weight (of a normalisation: per
    running mean); ``pairs`` lists (weight, running mean) of each convolution whose output was normalised.
    """

    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[int, tuple[int, Any]] = {}
        self.reads: Counter[int] = Counter()
        self.calls: Counter[int] = Counter()
        self.pairs: list[tuple[int, int]] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        values = [*args, *(kwargs or {}).values()]
        if getattr(func, "__name__", "") not in _METADATA_CALLS:
            flat = [v for a in values for v in (a if isinstance(a, (tuple, list)) else (a,))]
            self.reads.update(weight for v in flat if (weight := self._source(v)) is not None)
        result = func(*args, **(kwargs or {}))
        if func is F.conv2d and len(values) > 1:
            self.calls[id(values[1])] += 1
            self.outputs[id(result)] = id(values[1]), weakref.ref(result)
        elif func is F.batch_norm and len(values) > 1:
            self.calls[id(values[1])] += 1
            weight = self._source(values[0])
            if weight is not None:
                self.pairs.append((weight, id(values[1])))
        return result

    def _source(self, value: Any) -> int | None:
        """The id of the weight of the convolution that returned this tensor; None for other tensors."""
        weight, output = self.outputs.get(id(value), (None, lambda: None))
        return weight if output() is value and value is not None else None


def fold(module: nn.Module, shape: tuple[int, int, int]) -> int:
    """Folds batch normalisations in place and returns how many; 0 if the network is unchanged.

    ``module`` must be in evaluation mode and on the CPU. ``shape`` is the (channels, height, width) of an image that it
    accepts. After folding, the state of the module is no longer that of the checkpoint.
    """
    if not any(isinstance(layer, nn.BatchNorm2d) for layer in module.modules()):
        return 0
    noise = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad(), _CallRecorder() as recorder:
        wanted = module(noise)
    pairs = list(_pairs(module, recorder))
    if not pairs:
        return 0
    before = [(p.convolution.weight.data, p.convolution.bias) for p in pairs]
    for pair in pairs:
        _merge(pair)
    if _same(module, noise, wanted):
        return len(pairs)
    for pair, (weight, bias) in zip(pairs, before, strict=True):
        pair.convolution.weight.data, pair.convolution.bias = weight, bias
        setattr(pair.parent, pair.name, pair.norm)
    return 0


def _pairs(module: nn.Module, recorder: _CallRecorder) -> Iterator[_FoldablePair]:
    """The pairs that can be folded: both layers are called once, and the normalisation has one place in the module."""
    convolutions = {id(m.weight): m for m in module.modules() if isinstance(m, nn.Conv2d)}
    layers = [m for m in module.modules() if isinstance(m, nn.BatchNorm2d) and m.running_mean is not None]
    norms = {id(m.running_mean): m for m in layers}
    places = [(id(child), parent, name) for parent in module.modules() for name, child in parent._modules.items()]
    owners = Counter(child for child, _, _ in places)
    for weight, mean in recorder.pairs:
        convolution, norm = convolutions.get(weight), norms.get(mean)
        once = recorder.reads[weight] == recorder.calls[weight] == recorder.calls[mean] == 1
        if convolution is None or norm is None or norm.training or not once or owners[id(norm)] != 1:
            continue
        if not (convolution.weight.dtype == norm.running_mean.dtype == torch.float32):
            continue
        yield next(_FoldablePair(convolution, norm, parent, name) for i, parent, name in places if i == id(norm))


def _merge(pair: _FoldablePair) -> None:
    """Folds a pair, computed in float64. Child modules of the normalisation stay in its place, without identities."""
    convolution, norm = pair.convolution, pair.norm
    scale = (norm.running_var.double() + norm.eps).rsqrt()
    shift = -norm.running_mean.double()
    if convolution.bias is not None:
        shift = shift + convolution.bias.data.double()
    if norm.weight is not None:
        scale = scale * norm.weight.data.double()
    shift = shift * scale
    if norm.bias is not None:
        shift = shift + norm.bias.data.double()
    weight = convolution.weight.data.double() * scale.view(-1, 1, 1, 1)
    convolution.weight.data = weight.float()
    convolution.bias = nn.Parameter(shift.float(), requires_grad=False)
    rest = [child for child in norm.children() if not isinstance(child, nn.Identity)]
    setattr(pair.parent, pair.name, rest[0] if len(rest) == 1 else nn.Sequential(*rest) if rest else nn.Identity())


def _same(module: nn.Module, noise: Any, wanted: Any) -> bool:
    """Whether the logits are the same as before, within rounding (``CLOSE``)."""
    try:
        with torch.no_grad():
            got = module(noise)
    except Exception:  # a network may use its layers in ways that the recorded pass did not show
        return False
    return bool((got - wanted).abs().max() <= CLOSE * wanted.abs().max())
