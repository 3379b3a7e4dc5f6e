"""What a perturbation may use of a batch: the images' ids and labels, random numbers, the gradient of the loss."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F

from benchsuite.errors import BenchsuiteError, UnsupportedProtocol, expected, first_line
from benchsuite.models.memory import lacks_memory
from benchsuite.specs.dataset import Sample
from benchsuite.specs.perturbation import Perturbation

if TYPE_CHECKING:
    from numpy.typing import NDArray


Logits = Callable[[Any], Any]
"""A differentiable function from pixels, float32 (n, 3, h, w) in [0, 1], RGB, to logits, (n, c)."""


class PerturbedBatch:
    """The images of a batch whose pixels are changed: ``samples``, and ``logits`` if the change needs the gradient.

    ``vanished`` is bool (n,): for which images the first gradient that was computed is zero everywhere. None if none
    was computed. With another ``turn``, such as the epoch of a training, other random numbers are drawn.
    """

    def __init__(self, samples: Sequence[Sample], device: Any, logits: Logits | None = None, turn: str = "") -> None:
        self.samples, self.device, self._logits, self._turn = samples, device, logits, turn
        self.vanished: Any = None

    @property
    def ids(self) -> list[str]:
        """The ids of the images."""
        return [s.id for s in self.samples]

    @property
    def labels(self) -> Any:
        """The true classes, int64 (n,), on the device."""
        return torch.tensor([s.label for s in self.samples], dtype=torch.int64, device=self.device)

    def uniform(self, seed: int, like: Any) -> Any:
        """Random numbers in [0, 1) of the shape of ``like``. Those of an image depend on ``seed`` and its id."""
        return self._drawn(seed, like, uniform)

    def normal(self, seed: int, like: Any) -> Any:
        """Standard normal random numbers of the shape of ``like``. Those of an image depend on ``seed`` and its id."""
        return self._drawn(seed, like, normal)

    def logits(self, pixels: Any) -> Any:
        """The network's logits for pixels in [0, 1]: (n, 3, h, w) -> (n, c), differentiable, in float32."""
        if self._logits is None:
            raise BenchsuiteError(expected("needs", "gradient for a perturbation that uses the network", "another"))
        return self._logits(pixels)

    def gradient(self, pixels: Any) -> Any:
        """The gradient of each image's cross-entropy loss with respect to its pixels: (n, 3, h, w) -> the same shape.

        Raises ``UnsupportedProtocol`` if the network has no gradient.
        """
        try:
            with torch.enable_grad():
                x = pixels.detach().requires_grad_(True)
                loss = F.cross_entropy(self.logits(x), self.labels, reduction="sum")
                (gradient,) = torch.autograd.grad(loss, x)
        except RuntimeError as error:
            if lacks_memory(error):
                raise
            rule = "one whose loss has a gradient with respect to its pixels"
            raise UnsupportedProtocol(expected("the network under an attack", rule, first_line(error))) from error
        if self.vanished is None:
            self.vanished = ~(gradient.flatten(1) != 0).any(1)
        return gradient

    def _drawn(self, seed: int, like: Any, draw: Callable[[str, int, tuple[int, ...]], NDArray[np.float32]]) -> Any:
        drawn = np.stack([draw(f"{self._turn}{name}", seed, tuple(like.shape[1:])) for name in self.ids])
        return torch.from_numpy(drawn).to(self.device)


@dataclass(frozen=True, slots=True)
class PerturbedImage:
    """What the NumPy ``reference`` of a perturbation may use: the image's id and label, the gradient of its loss.

    ``gradient(pixels)``: float (h, w, 3) -> the same shape; None if there is no network.
    """

    id: str
    label: int
    gradient: Callable[[NDArray[Any]], NDArray[Any]] | None = None

    def uniform(self, seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The numbers of ``PerturbedBatch.uniform`` for this image: (h, w, c)."""
        return uniform(self.id, seed, (shape[2], *shape[:2])).transpose(1, 2, 0)

    def normal(self, seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """The numbers of ``PerturbedBatch.normal`` for this image: (h, w, c)."""
        return normal(self.id, seed, (shape[2], *shape[:2])).transpose(1, 2, 0)


def uniform(name: str, seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Uniform random numbers in [0, 1) that depend on an image's id, the seed and the shape alone."""
    return _generator(name, seed).random(shape, dtype=np.float32)


def normal(name: str, seed: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal random numbers that depend on an image's id, the seed and the shape alone."""
    return _generator(name, seed).standard_normal(shape, dtype=np.float32)


def perturbed(perturbation: Perturbation, pixels: Any, batch: PerturbedBatch) -> Any:
    """The changed pixels: float32 (n, 3, h, w) in [0, 1] -> the same shape and type.

    Raises ``BenchsuiteError`` if the function returns another shape or type, or, on a CPU, numbers that are not finite.
    Elsewhere such numbers are noticed in the scores, as a look at them would stop the device.
    """
    changed = perturbation.function()(pixels, batch, **perturbation.keywords)
    what = f"what {perturbation.name} returns"
    if not isinstance(changed, torch.Tensor) or changed.shape != pixels.shape or changed.dtype != torch.float32:
        got = f"{changed.dtype} {tuple(changed.shape)}" if isinstance(changed, torch.Tensor) else type(changed).__name__
        raise BenchsuiteError(expected(what, f"float32 of shape {tuple(pixels.shape)}", got))
    if changed.device.type == "cpu" and not bool(torch.isfinite(changed.sum()) or torch.isfinite(changed).all()):
        bad = [s.id for s, row in zip(batch.samples, changed.flatten(1), strict=True) if not row.isfinite().all()]
        raise BenchsuiteError(expected(what, "finite numbers", f"others for {bad[0]} and {len(bad) - 1} more"))
    return changed.detach()


def _generator(name: str, seed: int) -> np.random.Generator:
    key = hashlib.sha256(f"{seed} {name}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=int.from_bytes(key[:16], "little")))
