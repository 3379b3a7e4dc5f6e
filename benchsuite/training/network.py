"""The network of a recipe before its first step: seed, checks of its sizes, memory format."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch

from benchsuite.errors import BadParameter, DataError, expected, first_line
from benchsuite.models.network import moved
from benchsuite.models.weights import build_module
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.recipe import Recipe
from benchsuite.storage import keys
from benchsuite.storage.files import cache_dir, writing
from benchsuite.training.batches import Feed

Layout = Literal["channels-last", "contiguous"]
LAYOUTS: tuple[Layout, Layout] = ("channels-last", "contiguous")

_CLEARLY_FASTER = 0.85
_BATCH = 16


def in_layout(module: Any, layout: Layout, device: Any, *, products: bool = False) -> Any:
    """The module on a device, in a memory format.

    With ``products``, for ``MultiSizeMode``, the weights on a CPU are contiguous, whatever the format of the batches.
    Neither a product nor torch's fused optimizer then copies a weight or its gradient into another format: a step of
    ResNet-50 on small images takes a sixth less time.
    """
    plain = layout != "channels-last" or (products and torch.device(device).type == "cpu")
    return module.to(device) if plain else moved(module, device)


def faster_layout(name: str, module: Any, shape: tuple[int, int, int, int], context: Callable[[], Any]) -> Layout:
    """The faster layout for batches of a shape; channels last unless the other one is clearly faster.

    ``context()`` is the context of the forward pass. The measured choice is kept in the user's cache under ``name``,
    the shape, torch's version and the number of threads, so that the same training has the same layout the next time.
    On a GPU it is always channels last.
    """
    device = next(module.parameters()).device
    if device.type != "cpu":
        return "channels-last"
    about = [name, list(shape), torch.__version__, torch.get_num_threads()]
    path = cache_dir() / "layouts" / f"{keys.digest(about)[:32]}.txt"
    known = path.read_text(encoding="utf-8") if path.is_file() else ""
    for layout in LAYOUTS:
        if known == layout:
            return layout
    last, plain = seconds(module, (min(shape[0], _BATCH), *shape[1:]), context)
    faster: Layout = "contiguous" if plain < _CLEARLY_FASTER * last else "channels-last"
    with writing(path) as part:
        part.write_text(faster, encoding="utf-8")
    return faster


def seconds(module: Any, shape: tuple[int, int, int, int], context: Callable[[], Any]) -> list[float]:
    """CPU seconds of a forward and a backward pass in each of ``LAYOUTS``, interleaved: the best of three, warmed up.

    CPU time does not include what other programs do. Neither the module nor the random state changes.
    """
    with torch.random.fork_rng(devices=[]):
        copies = [in_layout(copy.deepcopy(module), layout, "cpu").train() for layout in LAYOUTS]
        batches = [torch.randn(shape), torch.randn(shape).contiguous(memory_format=torch.channels_last)][::-1]
        spent: list[list[float]] = [[], []]
        for _ in range(4):
            for one, x, times in zip(copies, batches, spent, strict=True):
                start = time.process_time()
                with context():
                    out = one(x)
                out.float().square().mean().backward()
                times.append(time.process_time() - start)
    return [min(times[1:]) for times in spent]


def rest_residual_branches(module: Any) -> None:
    """Makes each residual block start as the identity: the last scale of its branch is set to 0.

    Deep networks then learn sooner: Goyal et al. 2017 (arXiv:1706.02677), sec. 5.1. A block is a module with
    ``downsample`` and ``bn2`` or ``bn3``, as in torchvision and timm; other networks stay unchanged.
    """
    for block in module.modules():
        scale = _last_scale(block) if hasattr(block, "downsample") else None
        if scale is not None:
            torch.nn.init.zeros_(scale)


def _last_scale(block: Any) -> Any:
    """The scale of the last normalisation of a residual branch, (c,); None if the block has none."""
    last = getattr(block, "bn3", None) or getattr(block, "bn2", None)
    return last.weight if isinstance(last, torch.nn.BatchNorm2d) else None


class Rest:
    """The blocks of a network that rest in its training, from ``begin`` until ``wakes`` ends it.

    They return their input, nothing of them is computed, and their parameters get no gradients.
    """

    def __init__(self, blocks: Sequence[Any], module: Any, until: float) -> None:
        self.until, self.blocks = until, blocks
        self.learning = [p for block in blocks for p in block.parameters() if p.requires_grad]
        resting, whole = (sum(p.numel() for p in some) for some in (self.learning, module.parameters()))
        self.heavier = whole / (whole - resting)

    def begin(self) -> None:
        """The blocks rest from now on."""
        for block in self.blocks:
            block.forward = _unchanged
        for parameter in self.learning:
            parameter.requires_grad_(False)

    def wakes(self, done: float) -> bool:
        """Wakes the blocks once so much of the training is done, from 0 to 1. Returns whether they woke just now."""
        if not self.blocks or done < self.until:
            return False
        for block in self.blocks:
            del block.forward
        for parameter in self.learning:
            parameter.requires_grad_(True)
        self.blocks = []
        return True

    def ahead(self, step: int, steps: int) -> float:
        """How many steps like the last one take as long as those after ``step``.

        Steps of the whole network are taken to cost more in proportion to the parameters, as they do in ResNets.
        """
        resting = max(0.0, self.until * steps - step) if self.blocks else 0.0
        later = steps - step - resting
        return resting + later * (self.heavier if self.blocks else 1.0)


def rest(module: Any, recipe: Recipe, feed: Feed, *, compiled: bool) -> Rest:
    """The blocks of a network that are to rest by the recipe.

    None rest in a network that is to be compiled, as what is compiled has to stay the same.
    """
    wanted = recipe.resting and not compiled
    return Rest(resting_blocks(module, feed.inputs, feed.sizes[0]) if wanted else [], module, recipe.resting)


def resting_blocks(module: Any, inputs: Any, size: int) -> list[Any]:
    """The residual blocks that keep the shape of their input, after their last scale is set to 0: see ``Recipe``.

    A block without a ``downsample`` is one of them only if it then returns its input unchanged, which is tried on
    noise of ``size`` pixels, made into an input by ``inputs``. The scales of others stay.
    """
    unchanged: list[Any] = []
    scales = {b: _last_scale(b) for b in module.modules() if getattr(b, "downsample", module) is None}
    scales = {block: scale for block, scale in scales.items() if scale is not None}
    if not scales:
        return unchanged

    def note(block: Any, given: tuple[Any, ...], out: Any) -> None:
        if torch.equal(out, given[0]):
            unchanged.append(block)

    before = [scale.detach().clone() for scale in scales.values()]
    hooks = [block.register_forward_hook(note) for block in scales]
    noise = torch.randint(0, 256, (2, size, size, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    mode = module.training
    with torch.no_grad():
        for scale in scales.values():
            scale.zero_()
        module.eval()(inputs(noise.to(scale.device)))
        for (block, scale), old in zip(scales.items(), before, strict=True):
            if block not in unchanged:
                scale.copy_(old)
    for hook in hooks:
        hook.remove()
    module.train(mode)
    return unchanged


def _unchanged(x: Any) -> Any:
    return x


def build(architecture: Architecture, recipe: Recipe, feed: Feed, classes: int) -> Any:
    """The network on the feed's device, in training mode, seeded and prepared as the recipe asks.

    Raises ``DataError`` if it does not take the sizes of the images or the number of classes, ``BadParameter`` if the
    recipe fills a buffer ``pixel_mean`` and it has none of the images' shape.
    """
    torch.manual_seed(recipe.seed)
    module = build_module(architecture, classes).to(feed.device)
    for size in sorted(set(feed.sizes)):
        _try(architecture, module.eval(), size, classes)
    if recipe.rest:
        rest_residual_branches(module)
    if recipe.pixel_mean:
        _fill_pixel_mean(architecture, module, feed.mean_image())
    return module.train()


def _try(architecture: Architecture, module: Any, size: int, classes: int) -> None:
    """Runs a network on two images of zeros; raises ``DataError`` if it does not take the size or the classes."""
    device = next(module.parameters()).device
    try:
        with torch.no_grad():
            out = module(torch.zeros(2, architecture.input.channels, size, size, device=device))
    except Exception as error:
        got = f"{size}: {first_line(error)}"
        rule = "a size that the network takes"
        raise DataError(expected(f"the images for {architecture.name}", rule, got)) from error
    if tuple(out.shape) != (2, classes):
        got = f"{out.shape[-1]}" if out.dim() == 2 else f"an output of shape {tuple(out.shape)}"
        what = f"the number of classes of {architecture.name}"
        raise DataError(expected(what, f"{classes}, that of the data set", got))


def _fill_pixel_mean(architecture: Architecture, module: Any, mean: Any) -> None:
    """Copies the mean training image, (3, s, s), into the buffer ``pixel_mean``, (3, s, s) or (1, 3, s, s)."""
    buffer = dict(module.named_buffers()).get("pixel_mean")
    if buffer is None or buffer.shape[-3:] != mean.shape:
        got = "none" if buffer is None else f"one of shape {tuple(buffer.shape)}"
        rule = f"of shape {tuple(mean.shape)}, as the recipe subtracts it"
        raise BadParameter(expected(f"the buffer pixel_mean of {architecture.name}", rule, got))
    buffer.copy_(mean.view_as(buffer))
