"""Trains a network step by step, and gives the state that a checkpoint holds."""

from __future__ import annotations

import contextlib
import itertools
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchsuite.distributed.process_group import Group
from benchsuite.errors import TrainingError, expected
from benchsuite.models.device import Compute, device_here
from benchsuite.models.input_normalization import InputNormalization
from benchsuite.models.perturbed_batch import Logits, PerturbedBatch
from benchsuite.models.precision import candidates, computing
from benchsuite.models.state_dict import save_state
from benchsuite.progress import Progress
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.dataset import Split, shuffled
from benchsuite.specs.perturbation import Perturbation
from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.recipe import Recipe
from benchsuite.stats import metrics
from benchsuite.storage.files import writing
from benchsuite.training import network, optimizers, schedules
from benchsuite.training.batches import Feed, Moment
from benchsuite.training.checkpoints import State
from benchsuite.training.history import Told
from benchsuite.training.images import TrainingImages, read, training_images
from benchsuite.training.multi_size import MultiSizeMode
from benchsuite.training.network import Layout, faster_layout, in_layout
from benchsuite.training.pixels.perturbing import logits_of, perturbed_input
from benchsuite.training.schedules import Clock

if TYPE_CHECKING:
    from numpy.typing import NDArray


_STEPS_BETWEEN_READS = 20
"""Steps between two reads of the losses on a GPU: each read waits for the GPU."""


@dataclass(frozen=True, slots=True)
class TrainingCompute(Compute):
    """What a network is trained with: also the memory format and the group of processes that share each batch.

    With ``layout`` None the faster one is picked.
    """

    layout: Layout | None = "channels-last"
    group: Group = field(default_factory=Group)


class Trainer:
    """Trains one network by a recipe: ``step`` of ``steps`` steps are done, an epoch has ``per_epoch`` of them.

    ``module`` is the network itself, ``words`` the loss and accuracy of the epoch so far as text, ``rate`` the learning
    rate of the last step. The same seed gives the same weights, also if the training is interrupted and resumed with
    ``state`` and ``restore``: on the CPU with the same machine and number of threads; on CUDA, within
    ``deterministic``, with the same GPU, torch and cuDNN, as far as torch has deterministic kernels.
    """

    def __init__(
        self,
        architecture: Architecture,
        recipe: Recipe,
        pictures: TrainingImages,
        classes: int,
        compute: TrainingCompute,
    ) -> None:
        """Builds the network.

        Raises ``DataError`` if it does not take the images or classes, ``BadParameter`` if it does not fit the recipe.
        """
        self.recipe, self.compute, self.threads = recipe, compute, torch.get_num_threads()
        self.feed = Feed(pictures, recipe, compute.device, compute.group)
        self.device, self.step = self.feed.device, 0
        self.per_epoch = schedules.batches_per_epoch(self.feed.per_epoch, self.feed.batch_size, recipe.partial)
        self.steps = schedules.length(recipe.epochs, recipe.iterations, self.per_epoch)
        self.mode = MultiSizeMode(several_sizes=True) if len(set(self.feed.sizes)) > 1 else None
        self.module = network.build(architecture, recipe, self.feed, classes)
        self.layout = compute.layout or compute.group.collect(self._faster_layout(architecture))[0]
        self.module = in_layout(self.module, self.layout, self.device, products=self.mode is not None)
        self.frozen = optimizers.freeze(self.module, recipe)
        self.optimiser = optimizers.make(self.module, recipe)
        self.rest = network.rest(self.module, recipe, self.feed, compiled=compute.compiled)
        self.rest.begin()
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=compute.precision == "fp16")
        self.forward = self._forward()
        self.order = torch.zeros(0, dtype=torch.int64)
        self.warming, self.recent = schedules.waits(recipe.schedule.warmup), list[list[int]]()
        self.correct, self.losses = torch.zeros((), dtype=torch.int64, device=self.device), list[Any]()
        self.loss, self.seen, self.words, self.rate = 0.0, 0, "", 0.0
        if compute.group.size > 1:
            torch.manual_seed(recipe.seed + compute.group.rank)

    @property
    def epoch(self) -> int:
        """Number of the epoch that the last step belongs to, from 1; 0 before the first step."""
        return -(-self.step // self.per_epoch)

    @property
    def between_epochs(self) -> bool:
        """Whether the next step begins an epoch or none is left; ``iterations`` may end the last epoch early."""
        return self.step % self.per_epoch == 0 or self.step == self.steps

    def advance(self) -> bool:
        """Does one step. Returns whether all losses so far are known to be finite, so that the weights may be saved."""
        if self.step % self.per_epoch == 0:
            self.order = self.feed.order()
            self.correct.zero_()
            self.loss, self.seen = 0.0, 0
        done = self.step / self.steps
        if self.mode is not None:
            self.mode.progress = done
        if self.rest.wakes(done):
            self.forward = self._forward()
        size = schedules.size_at(self.recipe, self.step, self.steps)
        count = schedules.images_at(self.recipe, self.feed.batch_size, size)
        chosen = self.order[self.step % self.per_epoch * self.feed.batch_size :][:count]
        batch = self.feed.batch(chosen, size, Moment(self._pass, self._logits()))
        self.rate = self._next_rate()
        optimizers.set_rate(self.optimiser, self.rate, schedules.momentum(self.recipe.schedule, self._clock))
        with self._context():
            out = self.forward(batch.x.contiguous() if self.layout == "contiguous" else batch.x)
        loss = batch.targets.loss(out.float()) * (self.compute.group.size / batch.whole)
        optimizers.clear_gradients(self.optimiser)
        with computing("fp32", self.device):  # gradients without TF32; autocast is for the forward pass only
            self.scaler.scale(loss).backward()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        self.step += 1
        self._count(loss.detach(), batch.targets.hits(out.detach()), len(chosen))
        return not self.losses

    def epoch_counts(self) -> tuple[float, int, int]:
        """Mean loss, number of errors and number of images of the epoch so far, over all processes.

        They are counted in the training steps: on augmented images, before each step changes the weights.
        """
        sums = torch.tensor([self.loss, float(self.correct)], dtype=torch.float64)
        loss, correct = self.compute.group.total(sums.to(self._exchange_device)).tolist()
        return loss / max(1, self.seen), self.seen - int(correct), self.seen

    def state(self) -> State:
        """Everything that the rest of the training depends on. Every process of the group has to call it together."""
        loss, wrong, _ = self.epoch_counts()
        cuda = torch.cuda.get_rng_state(self.device) if self.device.type == "cuda" else None
        return {
            "step": self.step,
            "order": self.order,
            "module": self.module.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "scaler": self.scaler.state_dict(),
            "generator": self.feed.state(),
            "chance": self.compute.group.collect((torch.get_rng_state(), cuda)),
            "warming": self.warming,
            "recent": self.recent,
            "epoch": (loss * self.seen, self.seen - wrong, self.seen),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Goes back to a ``state``. With another number of processes, random draws in the network (dropout) differ."""
        group = self.compute.group
        self.module.load_state_dict(state["module"])
        optimizers.restore(self.optimiser, state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])
        self.feed.restore(state["generator"])
        own, cuda = state["chance"][group.rank % len(state["chance"])]
        torch.set_rng_state(own)
        if cuda is not None and self.device.type == "cuda":
            torch.cuda.set_rng_state(cuda, self.device)
        self.step, self.order, self.warming = state["step"], state["order"], state["warming"]
        self.recent = [list(pair) for pair in state["recent"]]
        loss, correct, self.seen = state["epoch"]
        self.loss = loss if group.leads else 0.0
        self.correct.fill_(correct if group.leads else 0)
        self.losses = []

    def numerics(self) -> dict[str, Any]:
        """What the weights are computed with, for the manifest: plain JSON data."""
        return {
            "precision": self.compute.precision,
            "device": self.compute.device,
            "compiled": self.compute.compiled,
            "layout": self.layout,
            "processes": self.compute.group.size,
            "threads": self.threads,
        }

    def _forward(self) -> Any:
        """The network as it is called in training: compiled, and with gradients of all processes, as asked."""
        module = torch.compile(self.module) if self.compute.compiled else self.module
        return self.compute.group.wrap(module, self.compute.device, self.mode is not None)

    def _faster_layout(self, architecture: Architecture) -> Layout:
        side = self.feed.sizes[0]
        shape = (self.feed.batch_size, architecture.input.channels, side, side)
        return faster_layout(f"{architecture.name} {self.compute.precision}", self.module, shape, self._context)

    @property
    def _clock(self) -> Clock:
        return Clock(self.step, self.steps, self.per_epoch)

    def _next_rate(self) -> float:
        """The learning rate of the next step."""
        multiple = schedules.rate(self.recipe.schedule, self._clock, warming=self.warming)
        return self.recipe.optimizer.learning_rate * multiple

    @property
    def _pass(self) -> int:
        """Which pass over the images the next step belongs to, from 1."""
        epoch, step = divmod(self.step, self.per_epoch)
        return epoch * self.recipe.passes + step * self.feed.batch_size // len(self.feed.pictures.labels) + 1

    def _logits(self) -> Logits | None:
        """The logits of the network in training mode, for a perturbation that needs its gradient."""
        how = self.recipe.perturbation
        if how is None or how.needs != "gradient":
            return None
        mode = self.mode or contextlib.nullcontext()
        return logits_of(self.module, self.feed.inputs, mode, plain=self.layout == "contiguous")

    @contextlib.contextmanager
    def _context(self) -> Iterator[None]:
        """Context of the forward pass: its precision, and ``MultiSizeMode`` for images of several sizes."""
        with self.mode or contextlib.nullcontext(), computing(self.compute.precision, self.device):
            yield

    def _count(self, loss: Any, hits: Any, images: int) -> None:
        """Adds a step on ``images`` images to the counts of the epoch. A GPU's losses are read every few steps."""
        group = self.compute.group
        if images < group.size and not group.leads:
            hits = torch.zeros_like(hits)  # every process had all of these images: the leader counts them
        self.correct += hits
        self.seen += images
        self.losses.append(loss * (images / group.size))
        if self.warming:
            self._update_warmup(int(group.total(hits)), images)
        if self.device.type == "cpu" or len(self.losses) >= _STEPS_BETWEEN_READS or self.between_epochs:
            self._read_losses()

    def _read_losses(self) -> None:
        """Adds the losses not read yet. Raises ``TrainingError`` naming the first step whose loss is not finite."""
        losses = torch.stack(self.losses).tolist()
        for step, loss in zip(itertools.count(self.step - len(losses) + 1), losses, strict=False):
            if not math.isfinite(loss):
                where = f"step {step} of {self.steps}, epoch {-(-step // self.per_epoch)}, {self.recipe.name}"
                rule = "a number; the last good checkpoint is kept"
                raise TrainingError(expected("the loss", rule, f"{loss}", where))
            self.loss += loss
        self.losses = []
        self.words = f"loss {self.loss / (self.seen / self.compute.group.size):.3f}, {self._accuracy():.1f} % right"

    def _accuracy(self) -> float:
        """Accuracy of the epoch so far in percent, from this process's share of the images."""
        return 100 * int(self.correct) * self.compute.group.size / self.seen

    def _update_warmup(self, hits: int, images: int) -> None:
        """Ends the warm-up if the error over the recent steps is low enough."""
        self.recent = [*self.recent, [images - hits, images]][-schedules.RECENT :]
        warmup = self.recipe.schedule.warmup
        assert warmup is not None
        wrong, seen = (sum(column) for column in zip(*self.recent, strict=True))
        self.warming = not schedules.warmed(warmup, wrong, seen)

    @property
    def _exchange_device(self) -> torch.device:
        """The device of tensors that processes exchange: NCCL needs the GPU, Gloo the CPU."""
        return self.device if self.device.type == "cuda" else torch.device("cpu")


@contextlib.contextmanager
def deterministic(device: str) -> Iterator[None]:
    """Context of a training on a device. On CUDA, torch uses deterministic kernels where it has them.

    torch warns of each operation that has none, once. cuDNN does not choose its algorithms by measuring them. At the
    end, torch's settings are as before. On other devices nothing changes.
    """
    if torch.device(device).type != "cuda":
        yield
        return
    cudnn, measures = torch.backends.cudnn, torch.backends.cudnn.benchmark
    enabled = torch.are_deterministic_algorithms_enabled()
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    with warnings.catch_warnings():
        warnings.filterwarnings("once", ".*does not have a deterministic implementation", UserWarning)
        # Older versions of torch warn of cuBLAS unless CUBLAS_WORKSPACE_CONFIG is set. That is not needed: torch gives
        # cuBLAS a workspace for each stream. Nor is it safe once CUDA is in use: some versions read the variable at
        # each product, and would tell cuBLAS a larger size than that of the workspace.
        warnings.filterwarnings("ignore", "Deterministic behavior was enabled", UserWarning)
        torch.use_deterministic_algorithms(True, warn_only=warns or not enabled)
        cudnn.benchmark = False
        try:
            yield
        finally:
            cudnn.benchmark = measures
            torch.use_deterministic_algorithms(enabled, warn_only=warns)


_TEST_BATCH = 500
"""Images in a batch of the test; the errors do not depend on it."""


def ensure(
    architecture: Architecture, recipe: Recipe, path: Path, train: Callable[[], Split], device: str, progress: Progress
) -> None:
    """Trains a network by ``fit`` on the split that ``train()`` opens; writes its weights to ``path``, atomically.

    Does nothing if the file exists.
    """
    if path.is_file():
        return
    split = train()
    what = f"{recipe.epochs} epochs on the {len(split.samples)} training images of {split.name}"
    progress.note(f"training {architecture.name} once, {what}; kept in {path}")
    module = fit(architecture, recipe, split, device, progress)
    with writing(path) as part:
        save_state(part, module, recipe.preprocess)


def fit(architecture: Architecture, recipe: Recipe, split: Split, device: str, progress: Progress) -> Any:
    """Trains a network on the device of ``--device``; returns it on the CPU, in evaluation mode.

    ``auto`` is CUDA where it works, else the CPU; the precision is that of ``--precision auto``. The same seed gives
    the same weights under the conditions of ``Trainer``.
    """
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    device = device_here(device)
    samples = shuffled(split.samples) if recipe.labels == "shuffled" else split.samples
    arrays = {size: read(split, samples, recipe.preprocess, size) for size in schedules.sizes(recipe)}
    compute = TrainingCompute(device, pick_precision("auto", device))
    images = training_images(arrays, samples, device)
    with deterministic(device):
        trainer = Trainer(architecture, recipe, images, len(split.classes), compute)
        progress.start(f"training {architecture.name}", trainer.steps)
        progress.curve("error on training images in percent")
        told = Told(trainer, progress)
        try:
            while trainer.step < trainer.steps:
                trainer.advance()
                told.advanced()
        finally:
            progress.stop()
    told.ended()
    return trainer.module.cpu().eval()


def pick_precision(requested: str, device: str) -> str:
    """The precision to train in. ``auto``: bfloat16 or fp16 if the device has it in hardware, else float32.

    The choice is the same at every call. A measured one would depend on the load of the machine, and so would the
    weights.
    """
    if requested != "auto":
        return requested
    return next((name for name in candidates(device) if name != "tf32"), "fp32")


def correct_answers(
    module: Any, images: TrainingImages, preprocess: Preprocess, group: Group, perturbation: Perturbation | None = None
) -> NDArray[np.bool_]:
    """Which images, changed by a perturbation if one is given, the network classifies correctly: (n,) bool, in order.

    Computed in float32 without TF32, as ``benchsuite run`` does. Each process evaluates its share of the images, each
    image once. Ties go to the lower class.
    """
    array, labels = images.sizes[preprocess.crop], images.labels
    device = next(module.parameters()).device
    inputs = InputNormalization(preprocess, device)
    correct = torch.zeros(len(labels), dtype=torch.int64)
    own = torch.arange(len(labels))[group.share(len(labels))]
    group.agree(module)
    was_training = module.training
    module.eval()
    logits = logits_of(module, inputs, contextlib.nullcontext())
    with torch.no_grad(), computing("fp32", device):
        for chosen in own.split(_TEST_BATCH):
            x = array.index_select(0, chosen.to(array.device)).to(device, non_blocking=True)
            if perturbation is None:
                x = inputs(x)
            else:
                known = PerturbedBatch([images.samples[i] for i in chosen.tolist()], device, logits)
                x = perturbed_input(x, inputs, perturbation, known)
            scores = module(x).double().cpu().numpy()
            truth = labels[chosen.to(labels.device)].cpu().numpy()
            correct[chosen] = torch.from_numpy(metrics.ranks(scores, truth) == 0).long()
    module.train(was_training)
    if group.size > 1:
        correct = group.total(correct.to(device)).cpu()
    return np.asarray(correct.numpy().astype(bool))
