"""The check of an architecture or a family."""

from __future__ import annotations

from benchsuite.errors import UnknownName
from benchsuite.specs import parameters
from benchsuite.specs.architecture import Architecture, Family
from benchsuite.testing.checker import Checker


def check_architecture(a: Architecture | Family, *, build: bool = True, member: str | None = None) -> None:
    """Checks name, preprocessing and weights; with ``build`` also that the network returns (n, classes) logits.

    The network is tried on images of its crop. For a family, ``member`` (by default the first name) is resolved and
    checked. Weights are not loaded.
    """
    if isinstance(a, Family):
        _check_family(a, member, build)
        return
    it = Checker(f"architecture {a.name}")
    for part in a.name.split(":", 1):
        it.declares(part)
    it.preprocesses(a.preprocess, a.input.channels)
    it.needs(a.dense in ("auto", None) or callable(a.dense), "dense", "'auto', a function or None", a.dense)
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
    it.needs(0 < len(set(names)) == len(names), "names", "one or more, all distinct", f"{len(names)}")
    it.refuses("an unknown name", UnknownName, lambda: family.resolve("no-such-member"))
    chosen = names[0] if member is None else member
    with it.runs(f"resolve of {chosen}"):
        architecture = family.resolve(chosen)
    name = f"{family.prefix}:{chosen}"
    it.needs(architecture.name == name, "the member's name", name, architecture.name)
    check_architecture(architecture, build=build)


def _check_built(a: Architecture, it: Checker) -> None:
    import torch

    size = a.preprocess.crop
    with it.runs("build(7)"):
        module = a.build(7)
    it.needs(isinstance(module, torch.nn.Module), "what build returns", "a torch.nn.Module", type(module).__name__)
    module.eval()
    image = torch.rand(2, a.input.channels, size, size, generator=torch.Generator().manual_seed(0))
    with it.runs(f"the network at {size} pixels"), torch.inference_mode():
        out, one = module(image), module(image[:1])
    shape = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
    it.needs(shape == (2, 7), "the output for 2 images and 7 classes", "of shape (2, 7)", shape)
    alone = torch.allclose(out[:1], one, rtol=1e-3, atol=1e-4, equal_nan=True)  # a very deep untrained one overflows
    it.needs(alone, "an image's logits", "the same alone and in a batch of two", "others")
    if callable(a.dense):
        from benchsuite.models.score_map import derive

        with it.runs("the score map of dense"):
            derive(a, module, size)
