"""The network of a recipe before its first step: seed, checks of its sizes, memory format."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, Literal

import torch

from benchsuite.errors import BadParameter, DataError, expected, first_line
from benchsuite.models.network import moved
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.recipe import Recipe
from benchsuite.storage import keys
from benchsuite.storage.files import cache_dir, writing
from benchsuite.training.batches import Feed

Layout = Literal["channels-last", "contiguous"]
LAYOUTS: tuple[Layout, Layout] = ("channels-last", "contiguous")

_CLEARLY_FASTER = 0.85
_BATCH = 16


def in_layout(module: Any, layout: Layout, device: Any) -> Any:
    """The module on a device, in a memory format."""
    return moved(module, device) if layout == "channels-last" else module.to(device)


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
        last = getattr(block, "bn3", None) or getattr(block, "bn2", None)
        if hasattr(block, "downsample") and isinstance(last, torch.nn.BatchNorm2d):
            torch.nn.init.zeros_(last.weight)


def build(architecture: Architecture, recipe: Recipe, feed: Feed, classes: int) -> Any:
    """The network on the feed's device, in training mode, seeded and prepared as the recipe asks.

    Raises ``DataError`` if it does not take the sizes of the images or the number of classes, ``BadParameter`` if the
    recipe fills a buffer ``pixel_mean`` and it has none of the images' shape.
    """
    torch.manual_seed(recipe.seed)
    module = architecture.build(classes).to(feed.device)
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
