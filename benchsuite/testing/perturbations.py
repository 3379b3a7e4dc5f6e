"""The check of a perturbation: what its function may use and change, and whether it equals its reference."""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from benchsuite.specs.dataset import Sample
from benchsuite.specs.perturbation import Perturbation
from benchsuite.specs.view import Crop, View, view_data, view_from_data
from benchsuite.testing.checker import Checker

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


SIZES = ((32, 32), (31, 31), (24, 37))
"""(height, width) of the pictures that perturbations are tried on: even, odd, and not square."""

SAMPLES = tuple(Sample(f"probe-{i}", i % 2, "memory") for i in range(7))

TOLERANCE = 1e-5
"""Largest allowed difference between ``change`` in float32 and ``reference`` in float64, for pixels in [0, 1]."""


def check_perturbation(p: Perturbation) -> None:
    """Checks that ``change`` depends on nothing but what ``needs`` says, and returns what ``reference`` returns.

    It is tried on a batch of 7 images of ``SIZES``. An image must get the same values, bit for bit, each time, alone,
    in another order, and for any global random seed. One that ``needs`` the gradient gets that of a small network.
    """
    it = Checker(f"perturbation {p.name}")
    it.declares(p.name)
    with it.runs("the functions"):
        p.function()
        reference = p.function("reference") if p.reference else None
    view = View(8, Crop(8), perturbation=p)
    again = view_from_data(json.loads(json.dumps(view_data(view))))
    it.needs(again == view, "a view", "the same after JSON", again)
    for height, width in SIZES:
        _check_change(p, reference, height, width)


def _check_change(p: Perturbation, reference: Callable[..., Any] | None, height: int, width: int) -> None:
    import torch

    it = Checker(f"perturbation {p.name}, {height}x{width} pixels")
    images = _pictures(height, width)

    def change(samples: Sequence[Sample], rows: Any = slice(None)) -> Any:
        with it.runs("change"):
            pixels, got = _changed(p, images[rows], samples)
            it.needs(torch.equal(pixels, images[rows]), "the pixels that change is given", "unchanged by it", "others")
            return got

    def same(got: Any, how: str) -> None:
        it.needs(torch.equal(got, whole), "what change returns for an image", f"the same {how}", "other values")

    with _random_state(it):
        whole = change(SAMPLES)
    with _random_state(it, seed=1):
        same(change(SAMPLES), "for any global random seed")
    same(change(SAMPLES), "each time")
    same(change(SAMPLES[::-1], list(range(len(SAMPLES)))[::-1]).flip(0), "in another order")
    same(torch.cat([change([s], [i]) for i, s in enumerate(SAMPLES)]), f"alone and in a batch of {len(SAMPLES)}")
    if p.needs != "gradient":
        same(change([dataclasses.replace(s, label=1 - s.label) for s in SAMPLES]), f"for any label (needs={p.needs})")
    if p.needs == "pixels":
        same(change([dataclasses.replace(s, id=f"{s.id}-b") for s in SAMPLES]), "for any id (needs=pixels)")
    if "eps" in p.keywords:
        eps, moved = float(p.keywords["eps"]), float((whole - images).abs().max())
        it.needs(moved <= eps + 1e-6, "the change of a pixel", f"at most eps, {eps:.6f}", f"{moved:.6f}")
    if reference is not None:
        for sample, before, after in zip(SAMPLES, images, whole, strict=True):
            one = Checker(f"{it.where}, sample {sample.id}")
            _check_reference(p, reference, one, sample, *(x.permute(1, 2, 0).double().numpy() for x in (before, after)))


def _changed(p: Perturbation, images: Any, samples: Sequence[Sample]) -> tuple[Any, Any]:
    """The pixels that ``change`` was given, afterwards, and what it returned, computed as a network does."""
    import torch

    from benchsuite.models.perturbed_batch import PerturbedBatch, perturbed

    attacks = p.needs == "gradient"
    with torch.no_grad() if attacks else torch.inference_mode():
        pixels = images.clone(memory_format=torch.channels_last)
        batch = PerturbedBatch(samples, pixels.device, _logits if attacks else None)
        return pixels, perturbed(p, pixels, batch)


def _check_reference(
    p: Perturbation,
    reference: Callable[..., Any],
    it: Checker,
    sample: Sample,
    before: NDArray[np.float64],
    after: NDArray[np.float64],
) -> None:
    import numpy as np

    from benchsuite.models.perturbed_batch import PerturbedImage

    gradient = (lambda x: _gradient(x, sample.label)) if p.needs == "gradient" else None
    given = before.copy()
    with it.runs("reference"):
        wanted = np.asarray(reference(given, PerturbedImage(sample.id, sample.label, gradient), **p.keywords))
    it.needs(np.array_equal(given, before), "the pixels that reference is given", "unchanged by it", "others")
    it.needs(wanted.shape == before.shape, "what reference returns", f"of shape {before.shape}", wanted.shape)
    far = float(np.abs(wanted - after).max())
    rule = f"what change returns, to {TOLERANCE:g}"
    it.needs(far <= TOLERANCE, "what reference returns", rule, f"pixels that differ by {far:.6f}")


def _pictures(height: int, width: int) -> Any:
    """float32 (7, 3, h, w) in [0, 1], multiples of 1/255: noise, noise of one colour, a ramp, black, white."""
    import torch

    levels = torch.randint(0, 256, (len(SAMPLES), 3, height, width), generator=torch.Generator().manual_seed(0))
    levels[1] = levels[1, :1]
    levels[2] = torch.arange(3 * height * width).view(3, height, width) % 256
    levels[3], levels[4] = 0, 255
    return levels.float() / 255


def _slopes(height: int, width: int) -> Any:
    """What the logit of class 1 of the small network depends on: float64 (h, w, 3), never near 0."""
    import numpy as np

    random = np.random.default_rng(0)
    size = random.uniform(0.5, 1.5, (height, width, 3)) * random.choice([-1.0, 1.0], (height, width, 3))
    return size * 4 / np.sqrt(size.size)


def _logits(pixels: Any) -> Any:
    """A small differentiable network: (n, 3, h, w) -> (n, 2). Each image is computed alone, so batches do not matter.

    The logits are 0 and the sum of the slopes times x + x^2 / 4. So no gradient is near 0, and its sign is certain.
    """
    import torch

    slopes = torch.from_numpy(_slopes(*pixels.shape[2:])).to(pixels).permute(2, 0, 1)
    ones = [(slopes * (x + x**2 / 4)).contiguous().sum() for x in pixels]
    return torch.stack([torch.stack([one.new_zeros(()), one]) for one in ones])


def _gradient(pixels: Any, label: int) -> Any:
    """The gradient of the cross-entropy loss of the small network, by hand: float64 (h, w, 3) -> the same shape."""
    import numpy as np

    slopes = _slopes(*pixels.shape[:2])
    logit = (slopes * (pixels + pixels**2 / 4)).sum()
    return (1 / (1 + np.exp(-logit)) - label) * slopes * (1 + pixels / 2)


@contextmanager
def _random_state(it: Checker, seed: int = 0) -> Iterator[None]:
    """Sets the global random seeds, checks that the block has drawn nothing from them, and restores them."""
    import numpy as np
    import torch

    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = _states()
        yield
        it.needs(_states() == before, "the global random state", "unchanged by change", "another state")
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])


def _states() -> tuple[object, ...]:
    import numpy as np
    import torch

    name, key, *rest = np.random.get_state()
    return random.getstate(), name, np.asarray(key).tobytes(), *rest, torch.get_rng_state().numpy().tobytes()
