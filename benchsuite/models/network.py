"""The network on its device: uint8 pixels in, float32 logits out."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchsuite.data.resize import crop_origin
from benchsuite.errors import BenchsuiteError, DataError, UnsupportedProtocol, expected, first_line
from benchsuite.models.batchnorm_folding import fold
from benchsuite.models.device import Compute
from benchsuite.models.input_normalization import InputNormalization
from benchsuite.models.memory import lacks_memory
from benchsuite.models.onednn import onednn
from benchsuite.models.perturbed_batch import PerturbedBatch, perturbed
from benchsuite.models.precision import DTYPES, computing
from benchsuite.models.predict import Buffer, Finish, Places
from benchsuite.models.resize.device_views import DeviceViews
from benchsuite.models.score_map import ScoreMap, derive, score_map
from benchsuite.models.transfer import Scores, transfer
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.dataset import Sample
from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.view import Crop, View

if TYPE_CHECKING:
    from numpy.typing import NDArray


_Part = tuple[Callable[[], Scores], Callable[[], Places]]
"""How to fetch the scores and the places of a part of a batch."""

GOOD_PARTS = 50
"""Parts that fit in a row, after which larger ones are tried: another process may have had the memory for a moment."""

COMPILED = 0.05
"""Largest allowed difference of a compiled network's logits, relative to the largest logit: rounding in bfloat16."""


class Network:
    """A loaded network; it implements ``Predict``. ``seconds`` is the time that it has computed so far.

    ``scores`` holds the ``ScoreMap`` for each nominal size of the dense views. ``fits`` is how many pixels of a batch
    fit into the memory of the device; None as long as every batch has fit. It is doubled after ``GOOD_PARTS`` parts.
    """

    def __init__(
        self,
        module: Any,
        preprocess: Preprocess,
        compute: Compute,
        scores: Mapping[int, ScoreMap],
        *,
        digest: str | None = None,
        folded: int = 0,
    ) -> None:
        """Moves the module to the device, in evaluation mode; for bf16 and fp16, casts the weights of plain layers.

        ``digest`` is the digest of the weights before ``folded`` batch normalisations were folded into them; by default
        it is computed from the module. ``compute.compiled`` has no effect here: see ``compile``.
        """
        self.device = torch.device(compute.device)
        self.digest, self.folded = digest or state_digest(module), folded
        self.module = moved(module, self.device).eval()
        self.crops, self.maps = self.module, score_map
        self.precision, self.scores = compute.precision, scores
        if DTYPES[self.precision] is not torch.float32:
            _cast_weights(self.module, DTYPES[self.precision])
        self.preprocess = preprocess
        self.inputs = InputNormalization(preprocess, self.device)
        self.transfer = transfer(self.device)
        self.fits: int | None = None
        self._good = 0
        self.seconds = 0.0

    def __call__(
        self, pixels: NDArray[np.uint8], flips: NDArray[np.bool_], view: View, samples: Sequence[Sample] = ()
    ) -> tuple[NDArray[np.float32], Places]:
        """uint8 (n, h, w, 3), bool (n,) -> float32 (n, c) and ``Places``. A perturbed view needs the ``samples``."""
        return self.begin(pixels, flips, view, samples)()

    @property
    def pinning(self) -> float:
        """The time that the host has spent copying pixels to pinned memory so far, in seconds; 0 on a CPU."""
        return self.transfer.pinning

    @property
    def buffer(self) -> Buffer | None:
        """Returns arrays from which a CUDA device reads a batch without another copy; None on other devices."""
        return self.transfer.buffer

    def resizer(self) -> DeviceViews:
        """What resizes images on the network's device, and cuts their views there."""
        return DeviceViews(self.transfer)

    @property
    def start(self) -> Callable[..., Finish] | None:
        """``begin`` on CUDA, where it returns before the batch is computed; None on other devices."""
        return self.begin if self.transfer.overlaps else None

    def begin(
        self, pixels: NDArray[np.uint8], flips: NDArray[np.bool_], view: View, samples: Sequence[Sample] = ()
    ) -> Finish:
        """Submits a batch and returns a function that waits for its scores.

        The pixels may be on the device already, as a tensor of its ``resizer``.

        On CUDA it returns before the batch is computed. On other devices the batch is computed here.

        A batch that does not fit into the memory of the device is halved until its parts fit, and so are later batches.
        Raises ``BenchsuiteError`` for a single image that does not fit, but torch's own error if it may have another
        reason.
        """
        n, area = len(pixels), pixels.shape[1] * pixels.shape[2]
        parts: list[_Part] = []
        at = 0
        while at < n:
            step = min(n - at, max(1, self.fits // area) if self.fits else n)
            part = self._begin(pixels[at : at + step], flips[at : at + step], view, samples[at : at + step])
            if part is not None:
                parts.append(part)
                at += step
                self._fitted()
            elif step == 1:
                size = f"{pixels.shape[1]}x{pixels.shape[2]} pixels"
                raise BenchsuiteError(expected("an image", f"small enough for the memory of {self.device}", size))
            else:
                self.fits, self._good = area * (step // 2), 0
        return lambda: self._finish(parts)

    def _fitted(self) -> None:
        """Notes a part that fit."""
        self._good += 1
        if self.fits is not None and self._good >= GOOD_PARTS:
            self.fits, self._good = 2 * self.fits, 0

    def compile(self, *, crops: bool = True) -> None:
        """Compiles the network for batches of any number of crops (if ``crops``), and for score maps of any size.

        torch makes the batch size dynamic when it sees a second one. It sees two here, so that no batch of a pass is
        compiled again; only a batch of one crop is a separate program. Raises ``BenchsuiteError`` if torch cannot
        compile the network, or if the logits of the compiled network differ by more than ``COMPILED``.
        """
        crop, random = self.preprocess.crop, np.random.default_rng(0)
        views = [View(crop)] * 2 * crops + [View(n, dense=True, nominal=n) for n in self.scores]
        shapes = [(2, v.nominal, v.nominal + 32, 3) if v.dense else (2 + i, crop, crop, 3) for i, v in enumerate(views)]
        trials = [random.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]

        def logits() -> list[tuple[NDArray[np.float32], Places]]:
            return [self(x, np.zeros(len(x), dtype=bool), v) for x, v in zip(trials, views, strict=True)]

        wanted = logits()
        self.crops, self.maps = torch.compile(self.module), torch.compile(score_map, dynamic=True)
        try:
            got = logits()
        except Exception as error:
            raise BenchsuiteError(expected("--compile", "possible for this network here", first_line(error))) from error
        for (a, places), (b, of) in zip(got, wanted, strict=True):
            if places != of or not np.abs(a - b).max() <= COMPILED * np.abs(b).max():
                raise BenchsuiteError(expected("the logits with --compile", "those without it", "others on noise"))
        self.seconds = 0.0

    @property
    def compiled(self) -> bool:
        """Whether ``compile`` has been called."""
        return self.crops is not self.module

    def _begin(self, pixels: Any, flips: Any, view: View, samples: Sequence[Sample]) -> _Part | None:
        """Submits a batch. Returns how to fetch its scores and places; None if memory does not suffice.

        Raises the errors of torch that have another reason, or that may have one and concern a single image.
        """
        try:
            with self.transfer.chosen(), computing(self.precision, self.device):
                if view.perturbation is not None:
                    return self._perturbed(pixels, flips, view, samples)
                with torch.inference_mode(), self._own_kernels():
                    scores, places = self._scores(self.normalised(pixels, flips), view)
                return self.transfer.down(scores), lambda: places
        except RuntimeError as error:
            certain = isinstance(error, torch.cuda.OutOfMemoryError)
            if not lacks_memory(error) or (len(pixels) == 1 and not certain):
                raise
            # handled below: the error keeps the tensors alive that must be freed first
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    def _perturbed(self, pixels: Any, flips: Any, view: View, samples: Sequence[Sample]) -> _Part:
        """Submits a batch of a perturbed view. Only attacks are computed with gradients."""
        assert view.perturbation is not None, "the view is perturbed"
        with torch.no_grad() if view.attacked else torch.inference_mode():
            x, batch = self._unit(pixels, flips, samples, gradient=view.attacked)
            x = perturbed(view.perturbation, x, batch)
            if view.early_crop is None and view.crop is not None:
                x = _late_crop(x, view.crop, view)
            x = self.inputs.of_unit(x)
            with self._own_kernels():
                scores, places = self._scores(x, view)
            fetch = self.transfer.down(scores)
        vanished = batch.vanished
        if vanished is None:
            return fetch, lambda: places
        return fetch, lambda: (~vanished).long().cpu().numpy()

    def differentiable(
        self, pixels: NDArray[np.uint8], flips: NDArray[np.bool_], samples: Sequence[Sample]
    ) -> tuple[Any, PerturbedBatch]:
        """uint8 (n, h, w, 3), bool (n,) -> float32 (n, 3, h, w) in [0, 1] on the device, and what gives its gradient.

        It is called with gradients turned off, as ``PerturbedBatch.gradient`` turns them on.
        """
        return self._unit(pixels, flips, samples, gradient=True)

    def _unit(
        self, pixels: NDArray[np.uint8], flips: NDArray[np.bool_], samples: Sequence[Sample], *, gradient: bool
    ) -> tuple[Any, PerturbedBatch]:
        """What ``differentiable`` returns; without ``gradient`` the batch has none."""
        if gradient:
            self.module.requires_grad_(False)  # of the weights
        batch = PerturbedBatch(samples, self.device, self._logits if gradient else None)
        return self.inputs.unit(self._mirrored(pixels, flips)), batch

    def _logits(self, x: Any) -> Any:
        """Differentiable: pixels in [0, 1], (n, 3, h, w) -> logits (n, c), in float32."""
        return self.module(self.inputs.of_unit(x)).float()

    def _own_kernels(self) -> AbstractContextManager[None]:
        """Context of a forward pass without gradients: see ``onednn``."""
        return onednn(self.device) if self.precision == "fp32" and not self.compiled else nullcontext()

    def _scores(self, x: Any, view: View) -> tuple[Any, int]:
        """float32 (n, 3, h, w) -> float32 (n, c) on the device, and the number of places behind each score."""
        if view.dense and view.spatial != "gap":
            logits, places = self.maps(self.module, self.scores[view.nominal], x)
            return _pool_places(logits.float(), view.spatial), places
        return (self.module if view.dense else self.crops)(x).float(), 1

    def _finish(self, parts: Sequence[_Part]) -> tuple[NDArray[np.float32], Places]:
        results = [finish() for finish, _ in parts]
        places = [places() for _, places in parts]
        self.seconds += sum(spent for _, spent in results)
        if len(results) == 1:
            return results[0][0], places[0]
        joined = places[0] if isinstance(places[0], int) else np.concatenate([np.atleast_1d(p) for p in places])
        return np.concatenate([scores for scores, _ in results]), joined

    def normalised(self, pixels: NDArray[np.uint8], flips: NDArray[np.bool_]) -> Any:
        """uint8 (n, h, w, 3) -> float32 (n, 3, h, w), mirrored where ``flips`` is true."""
        return self.inputs(self._mirrored(pixels, flips))

    def _mirrored(self, pixels: NDArray[np.uint8], flips: NDArray[np.bool_]) -> Any:
        """uint8 (n, h, w, 3) -> the same on the device, mirrored where ``flips`` is true."""
        x = self.transfer.up(pixels)
        if flips.all():
            return x.flip(2)
        if flips.any():
            return torch.where(self.transfer.up(flips).view(-1, 1, 1, 1), x.flip(2), x)
        return x


def open_network(
    architecture: Architecture,
    module: Any,
    preprocess: Preprocess,
    views: tuple[View, ...],
    classes: int,
    compute: Compute,
) -> Network:
    """Checks a module with its weights against the views before any image is read, and moves it to its device.

    Folds batch normalisations into the convolutions before them, if that changes logits by rounding only and no view is
    attacked. Compiles the network if ``compute`` says so. Raises ``UnsupportedProtocol`` for a dense view or a crop
    size that the network cannot take, and ``DataError`` for a number of classes other than ``classes``.
    """
    module.eval()
    squares = {preprocess.crop} | {v.crop.size for v in views if v.crop}
    whole = {v.resize for v in views if not v.crop and isinstance(v.resize, tuple)}
    for size in sorted({(s, s) for s in squares} | whole):
        outputs = _try(architecture, module, size)
        if outputs != classes:
            raise DataError(
                expected(f"the number of classes of {architecture.name}", f"{classes}, that of the dataset", outputs)
            )
    digest = state_digest(module)
    attacked = any(v.attacked for v in views)  # by the gradient of the network as it is
    folded = 0 if attacked else fold(module, (architecture.input.channels, preprocess.crop, preprocess.crop))
    scores = {n: derive(architecture, module, n) for n in sorted({v.nominal for v in views if v.dense})}
    network = Network(module, preprocess, compute, scores, digest=digest, folded=folded)
    if compute.compiled:
        network.compile(crops=not all(v.dense for v in views))
    return network


def moved(module: Any, device: Any) -> Any:
    """The module on a device, in channels-last memory format; tensors of another rank than 4 are left unchanged."""
    module = module.to(device)
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.dim() == 4:
            tensor.data = tensor.data.contiguous(memory_format=torch.channels_last)
    return module


def state_digest(module: Any) -> str:
    """SHA-256 of all parameters and buffers with their names, shapes and types."""
    state = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        value = tensor.detach().cpu().contiguous()
        state.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        state.update(value.reshape(-1).view(torch.uint8).numpy())
    return state.hexdigest()


def _cast_weights(module: Any, dtype: Any) -> None:
    """Casts the weights of plain layers once to the type that autocast would otherwise cast them to in every call."""
    for layer in module.modules():
        if type(layer) in (torch.nn.Conv2d, torch.nn.Linear):
            for parameter in layer.parameters(recurse=False):
                parameter.data = parameter.data.to(dtype)


def _try(architecture: Architecture, module: Callable[[Any], Any], size: tuple[int, int]) -> int:
    """The number of classes that a network returns for an image of size (height, width)."""
    try:
        with torch.inference_mode():
            out = module(torch.zeros(1, architecture.input.channels, *size))
    except Exception as error:
        got = f"{size[0]}x{size[1]}: {first_line(error)}"
        raise UnsupportedProtocol(
            expected(f"the crop for {architecture.name}", "a size that the network takes", got)
        ) from error
    if not isinstance(out, torch.Tensor) or out.dim() != 2:
        shape = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
        raise UnsupportedProtocol(expected(f"the output of {architecture.name}", "logits of shape (n, classes)", shape))
    return int(out.shape[1])


def _late_crop(x: Any, crop: Crop, view: View) -> Any:
    """The crop of a changed image, with the border of the view around it. (n, 3, h, w) -> (n, 3, size, size)."""
    top, left = crop_origin(x.shape[2], x.shape[3], crop, view.pad)
    if view.pad:
        mode = "reflect" if view.border == "reflect" else "constant"
        x = torch.nn.functional.pad(x, [view.pad] * 4, mode)
    top, left = top + view.pad, left + view.pad
    return x[:, :, top : top + crop.size, left : left + crop.size]


def _pool_places(logits: Any, spatial: str) -> Any:
    """One score per image from its score map. (n, places, c) -> (n, c)."""
    if spatial == "prob":
        return logits.log_softmax(2).logsumexp(1) - math.log(logits.shape[1])
    if spatial == "avgmax":
        return 0.5 * (logits.mean(1) + logits.amax(1))
    return logits.mean(1)
