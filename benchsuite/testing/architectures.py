"""The check of an architecture or a family."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchsuite.errors import UnknownName
from benchsuite.specs import parameters
from benchsuite.specs.architecture import Architecture, Family
from benchsuite.testing.checker import Checker


def check_architecture(a: Architecture | Family, *, build: bool = True, member: str | None = None) -> None:
    """Checks name, preprocessing and weights; with ``build`` also that the network returns (n, classes) logits.

    The network is tried on images of its crop, in evaluation mode: its logits may depend on nothing but the image, not
    on the batch, an earlier batch or a seed. For a family, ``member`` (by default the first name, if it lists any) is
    resolved and checked. Weights are not loaded.
    """
    if isinstance(a, Family):
        _check_family(a, member, build)
        return
    it = Checker(f"architecture {a.name}")
    for part in a.name.split(":", 1):
        it.declares(part)
    it.preprocesses(a.preprocess, a.input.channels)
    it.needs(a.dense in ("auto", None) or callable(a.dense), "dense", "'auto', a function or None", a.dense)
    it.named_by_users("build", a.build, 1)
    names = [w.name for w in a.weights]
    it.needs(len(set(names)) == len(names), "the names of weights", "distinct", ", ".join(names))
    for w in a.weights:
        own = Checker(f"{it.where}, weights {w.name}")
        own.declares(w.name, source=w.source)
        own.needs(w.name != "random", "the name of weights", "not the name of untrained weights", w.name)
        own.needs(callable(w.load), "load", "a function", w.load)
        own.needs(w.classes >= 2, "classes", "at least 2", w.classes)
        own.preprocesses(w.preprocess, a.input.channels)
    it.needs(a.adapt is None or callable(a.adapt), "adapt", "a function or None", a.adapt)
    for option, _ in a.file_options:
        it.needs(option in parameters.options(a), "an option in file_options", "an option of build", option)
    for recipe in a.recipes:
        Checker(f"{it.where}, recipe {recipe.name}").preprocesses(recipe.preprocess, a.input.channels)
    if build:
        _check_built(a, it)


def _check_family(family: Family, member: str | None, build: bool) -> None:
    it = Checker(f"family {family.name}")
    it.declares(family.prefix)
    with it.runs("names"):
        names = list(family.names())
    it.needs(len(set(names)) == len(names), "names", "all distinct", f"{len(names)}")
    it.refuses("an unknown name", UnknownName, lambda: family.resolve("no-such-member"))
    if not names and member is None:
        return
    chosen = names[0] if member is None else member
    with it.runs(f"resolve of {chosen}"):
        architecture = family.resolve(chosen)
    name = f"{family.prefix}:{chosen}"
    it.needs(architecture.name == name, "the member's name", name, architecture.name)
    check_architecture(architecture, build=build)


def _check_built(a: Architecture, it: Checker) -> None:
    """Builds the network for 7 classes and tries it on images of its crop, in evaluation mode."""
    import torch

    size = a.preprocess.crop
    with _unchanged_torch(it), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        with it.runs("build(7)"):
            module = a.build(7)
        it.needs(isinstance(module, torch.nn.Module), "what build returns", "a torch.nn.Module", type(module).__name__)
        module.eval()
        generator = torch.Generator().manual_seed(0)
        images = torch.rand(2, a.input.channels, size, size, generator=generator)
        _check_forward(a, module, images, it)
        if not a.input.fixed and a.dense is not None:
            _check_larger(a, module, it)
        if callable(a.dense):
            _check_dense(a, module, size, it)
        torch.manual_seed(0)
        again = a.build(7).state_dict()
    same = all(torch.equal(value, again[name]) for name, value in module.state_dict().items() if name in again)
    what = "build(7) after the same torch.manual_seed"
    it.needs(same, what, "the same network", "another", "unseeded-build")


def _check_forward(a: Architecture, module: Any, images: Any, it: Checker) -> None:
    """The forward pass: logits of the right shape, which depend on nothing but the image."""
    import torch

    size = a.preprocess.crop
    before = {name: value.clone() for name, value in module.state_dict().items()}

    def logits(x: Any, seed: int = 0) -> Any:
        torch.manual_seed(seed)
        with it.runs(f"the network at {size} pixels"), torch.inference_mode():
            return module(x.clone())

    given = images.clone()
    with it.runs(f"the network at {size} pixels"), torch.inference_mode():
        out = module(given)
    shape = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
    what = "the output for 2 images and 7 classes"
    it.needs(shape == (2, 7), what, "of shape (2, 7)", shape, "class-count")
    it.needs(out.is_floating_point(), "the logits", "floating-point numbers", str(out.dtype))
    it.needs(torch.equal(given, images), "the images", "unchanged by forward", "others", "input-changed")
    first, reseeded = logits(images), logits(images, seed=1)
    what, got = "the logits of an image", "others"
    if _alike(first, logits(images)):
        rule = "the same for any seed of torch in evaluation mode"
        it.needs(_alike(first, reseeded), what, rule, got, "dropout-left-on")
    state = module.state_dict()
    changed = [n for n, value in before.items() if not torch.equal(value.nan_to_num(), state[n].nan_to_num())]
    rule = "unchanged by a forward pass in evaluation mode"
    it.needs(not changed, "the state", rule, f"another {(*changed, '')[0]}", "statistics-updated")
    flipped = logits(images.flip(0))
    logits(images / 2)
    again = logits(images)
    rule = "the same each time in evaluation mode"
    stale = _alike(flipped, first) and not _alike(first, first.flip(0))  # the answer to an earlier batch
    it.needs(_alike(first, again) and not stale, what, rule, got, "state-between-batches")
    alone = torch.cat([logits(images[:1]), logits(images[1:])])
    rule = "the same alone and in a batch of two"
    it.needs(_alike(first, alone), "an image's logits", rule, got, "batch-dependent")
    rule = "the same in another order"
    it.needs(_alike(first, flipped.flip(0)), what, rule, got, "state-between-batches")
    sums = first.double().sum(1)
    softmaxed = bool((first >= 0).all() and ((sums - 1).abs() < 1e-4).all())
    it.needs(not softmaxed, "the output", "logits", "rows that sum to 1", "softmax-in-network")


def _alike(one: Any, other: Any) -> bool:
    """Whether logits are equal up to rounding."""
    import torch

    return bool(torch.allclose(one, other, rtol=1e-3, atol=1e-4, equal_nan=True))  # a very deep untrained one overflows


def _check_larger(a: Architecture, module: Any, it: Checker) -> None:
    """A network whose input size is not fixed takes a larger image too."""
    import torch

    size = a.preprocess.crop + 32
    try:
        with torch.inference_mode():
            module(torch.zeros(1, a.input.channels, size, size))
    except Exception as error:
        got = f"{type(error).__name__} at {size}x{size}"
        rule = "able to take larger images, as it is not declared fixed"
        it.needs(False, "the network", rule, got, "undeclared-fixed-size")


def _check_dense(a: Architecture, module: Any, size: int, it: Checker) -> None:
    """The score map of a plugin's own parts: the network's logits for one window, and as many windows as its own map.

    The number of windows is compared where the network's last global pooling can be found without the plugin.
    """
    import torch

    from benchsuite.errors import UnsupportedProtocol
    from benchsuite.models.score_map import derive, score_map

    with it.runs("the score map of dense"):
        spec = derive(a, module, size)
    try:
        own = derive(dataclasses.replace(a, dense="auto"), module, size)
    except UnsupportedProtocol:
        return
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, a.input.channels, size + 64, size + 96, generator=generator)
    with it.runs("the score map of dense"), torch.inference_mode():
        (logits, places), (wanted, windows) = score_map(module, spec, image), score_map(module, own, image)
    rule = f"{windows}, as the network's last map has at {size + 64}x{size + 96} pixels"
    it.needs(places == windows, "the places of the score map of dense", rule, places, "dense-stride")
    it.needs(_alike(logits, wanted), "the score map of dense", "that of the network", "others", "dense-map")


@contextmanager
def _unchanged_torch(it: Checker) -> Iterator[None]:
    """Checks that the block leaves torch's global settings as they were, and restores them."""
    import torch

    def settings() -> tuple[object, ...]:
        return torch.get_default_dtype(), torch.is_grad_enabled(), torch.get_num_threads()

    before = settings()
    try:
        yield
        changed = settings()
        it.needs(changed == before, "torch's settings", "unchanged by the plugin", changed, "global-settings")
    finally:
        torch.set_default_dtype(before[0])
        torch.set_grad_enabled(bool(before[1]))
        if torch.get_num_threads() != before[2]:
            torch.set_num_threads(int(str(before[2])))
