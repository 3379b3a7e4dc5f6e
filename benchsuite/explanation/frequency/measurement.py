"""Measures on a network where the energy of its gradients, of an attack and of its first kernels lies. Needs torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchsuite.evaluation.input_pipeline import batches
from benchsuite.evaluation.question import Question
from benchsuite.evaluation.reading import pieces
from benchsuite.explanation.frequency.analysis import Kernels, Measurement
from benchsuite.models import weights
from benchsuite.models.device import Compute
from benchsuite.models.network import Network
from benchsuite.models.perturbed_batch import perturbed
from benchsuite.models.precision import computing
from benchsuite.progress import Progress
from benchsuite.runs.auto_precision import READER
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import View, describe
from benchsuite.stats.radial_energy import averaged, padded, ring_energy, without_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray


KEPT = 64
"""At most this many kernels are kept, to be drawn."""

PADDED = 32
"""The side in pixels of the square of zeros in which the spectrum of a kernel is computed."""


def measure(
    question: Question, samples: Sequence[Sample], view: View, attacked: View | None, device: str, progress: Progress
) -> Measurement:
    """Measures the network of a question on images of its split, in float32, as they are cut by ``view``.

    ``attacked`` is ``view`` with the perturbation of an attack; without it only the pictures and the kernels are
    measured.
    """
    (member,) = question.members
    module = weights.build(member.architecture, member.weights, len(question.split.classes))
    network = Network(module, member.weights.preprocess, Compute(device), {})
    kernels = first_kernels(network, member.architecture.input.channels)
    energies: dict[str, list[NDArray[np.float64]]] = {"pictures": [], "gradient": [], "attack": []}
    vanished = 0
    progress.start(f"measuring {len(samples)} images", len(samples))
    try:
        for batched, pixels in _cut(question, samples, attacked or view, device):
            flips = np.full(len(pixels), view.flip)
            with torch.no_grad(), computing("fp32", network.device):
                x, batch = network.differentiable(pixels, flips, batched)
                found = {"pictures": x}
                if attacked is not None and attacked.perturbation is not None:
                    found["gradient"] = batch.gradient(x)
                    vanished += int(batch.vanished.sum())
                    found["attack"] = perturbed(attacked.perturbation, x, batch) - x
                for name, values in found.items():
                    energies[name].append(ring_energy(values.cpu().numpy()))
            progress.advance(len(pixels))
    finally:
        progress.stop()
    whole = {name: np.concatenate(parts) for name, parts in energies.items() if parts}
    whole["pictures"] = without_mean(whole["pictures"])
    side = view.crop.size if view.crop else member.weights.preprocess.crop
    shares = {name: averaged(whole[name]) if name in whole else None for name in energies}
    return Measurement(len(samples), describe(view), side, **shares, vanished=vanished, kernels=kernels)


def _cut(
    question: Question, samples: Sequence[Sample], view: View, device: str
) -> Iterator[tuple[list[Sample], NDArray[np.uint8]]]:
    """The samples and their crops, uint8 (n, h, w, 3), in the batches in which a run computes this view."""
    loader = READER if question.loader.images is None else question.loader.at(device)
    for batch in batches(pieces(loader, question.split, samples, (view,)), (view,), 64):
        yield [samples[piece.sample] for piece in batch], np.stack([piece.pixels for piece in batch])


def first_kernels(network: Network, channels: int) -> Kernels | None:
    """The kernels of the first convolution that is executed on an image, in the order RGB; None if there is none."""
    found = first_convolution(network, channels)
    if found is None:
        return None
    layer, convolution = found
    kernels = convolution.weight.detach().float().cpu().numpy()
    if network.preprocess.channel_order == "BGR" and kernels.shape[1] == 3:
        kernels = kernels[:, ::-1]
    energy = averaged(ring_energy(padded(kernels, PADDED)))
    if energy is None:
        return None
    side = max(PADDED, *kernels.shape[2:])
    return Kernels(layer, len(kernels), side, tuple(_nested(kernel) for kernel in kernels[:KEPT]), energy)


def first_convolution(network: Network, channels: int) -> tuple[str, Any] | None:
    """The name and the module of the first convolution that is executed on an image; None if none is.

    The transform ``smooth`` records calls of ``conv2d`` instead, since it changes the tensor that a call uses.
    """
    executed: list[tuple[str, Any]] = []
    hooks = [
        module.register_forward_pre_hook(lambda module, _, name=name: executed.append((name, module)))
        for name, module in network.module.named_modules()
        if isinstance(module, torch.nn.Conv2d)
    ]
    crop = network.preprocess.crop
    try:
        with torch.inference_mode():
            network.module(torch.zeros(1, channels, crop, crop, device=network.device))
    finally:
        for hook in hooks:
            hook.remove()
    return next(iter(executed), None)


def _nested(values: Any) -> Any:
    """An array of float32 as nested tuples. Nine digits suffice to give back the same float32."""
    if isinstance(values, np.ndarray):
        return tuple(_nested(part) for part in values)
    return float(f"{values:.9g}")
