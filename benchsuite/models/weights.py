"""Weights: chosen by name, by file or by a recipe; read without running code; checked against the network."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import hashlib
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.errors import BenchsuiteError, PluginError, WeightsError, expected, first_line, unknown_name
from benchsuite.models.state_dict import failure_reason, load_into, read_state, stored_metadata
from benchsuite.specs.architecture import Architecture, Transform, Weights
from benchsuite.specs.dataset import Dataset
from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.recipe import Recipe, recipe_data
from benchsuite.storage.files import cache_dir
from benchsuite.storage.keys import digest

SUFFIXES = (".pth", ".pt", ".th", ".tar", ".bin", ".ckpt", ".safetensors", ".caffemodel", ".npz")
"""Suffixes of ``--weights`` values that are treated as a path, so that a missing file is not reported as a name."""


@dataclass(frozen=True, slots=True)
class ChosenWeights:
    """The weights of one run: a label for people, a key for digests, and the preprocessing that they need.

    They come from exactly one source: ``declared`` by the architecture, a file at ``path``, or ``seed`` (random). With
    a ``recipe``, ``path`` is where its training writes them. ``transforms`` change them, in this order, after they are
    loaded; their names are part of the label and the key.
    """

    label: str
    key: str
    preprocess: Preprocess
    declared: Weights | None = None
    path: Path | None = None
    recipe: Recipe | None = None
    seed: int = 0
    transforms: tuple[Transform, ...] = ()


def choose(
    architecture: Architecture, dataset: Dataset, weights: str | None, seed: int, results: Path | None = None
) -> ChosenWeights:
    """The weights that a value of ``--weights`` means for this network and dataset. A file is hashed, not loaded.

    ``results`` is the folder whose trainings can be given by their id. Raises ``WeightsError`` when nothing can be
    chosen or the file is of another network, and ``UnknownName`` for a name that is not declared.
    """
    declared = {w.name: w for w in architecture.weights}
    usual = functools.partial(usual_preprocess, dataset, architecture)
    if weights is None and dataset.recipe is not None:
        recipe = fitted(dataset.recipe, usual(), architecture)
        label, key = f"trained here ({recipe.name})", digest(trains(recipe))
        return ChosenWeights(label, key, usual(), path=trained_path(architecture, recipe), recipe=recipe)
    if weights == "random":
        return ChosenWeights(f"random (seed {seed})", f"random:{seed}", usual(), seed=seed)
    if weights is None:
        if not declared or dataset.preprocess is not None:
            what = "declares no weights" if not declared else f"declares none for {dataset.name}"
            raise WeightsError(
                f"Expected --weights for {architecture.name} on {dataset.name}, got none: the architecture {what}. "
                "Give a file (.pth, .pt, .safetensors) or random"
            )
        weights = next(iter(declared))
    if weights in declared:
        w = declared[weights]
        return ChosenWeights(w.name, f"{architecture.name}:{w.name}:{w.source}", w.preprocess, declared=w)
    training = results / "training" / weights / "last.safetensors" if results else Path(weights)
    path = training if training.is_file() else Path(weights).expanduser()
    if not path.is_file():
        if path.suffix.lower() in SUFFIXES or os.sep in weights:
            raise WeightsError(expected("--weights", "a name or a file", f"{weights}, which is no file"))
        trainings = [p.parent.name for p in results.glob("training/*/last.safetensors")] if results else []
        raise unknown_name(f"weights of {architecture.name}", weights, [*declared, "random", *trainings])
    with path.open("rb") as file:
        key = hashlib.file_digest(file, "sha256").hexdigest()
    preprocess, trained = stored_metadata(path)
    trained_as, name = trained.get("architecture", architecture.name), architecture.name
    if trained_as != name and trained_as.partition(":")[0] == name.partition(":")[0]:
        raise WeightsError(expected("the architecture", f"{trained_as}, that of the weights", name, str(path)))
    return ChosenWeights(trained.get("label", path.name), key, preprocess or usual(), path=path)


def transformed(chosen: ChosenWeights, transforms: Sequence[Transform], owners: Sequence[str]) -> ChosenWeights:
    """The same weights, changed by ``transforms`` after they are loaded. ``owners`` are the plugins that declare them.

    Without transforms, nothing changes.
    """
    label = ", ".join([chosen.label, *(t.name for t in transforms)])
    key = ", ".join([chosen.key, *(f"{t.name} of {owner}" for t, owner in zip(transforms, owners, strict=True))])
    return dataclasses.replace(chosen, label=label, key=key, transforms=tuple(transforms))


def usual_preprocess(dataset: Dataset, architecture: Architecture) -> Preprocess:
    """The preprocessing of networks trained on a data set, at the network's own input size if that is fixed.

    That of the network if it says so. Raises ``WeightsError`` if neither of them has one.
    """
    if architecture.preprocessing == "always":
        return architecture.preprocess
    if architecture.preprocessing == "never" and dataset.preprocess is None:
        rule = f"declared by it, as {dataset.name} has no usual one"
        raise WeightsError(expected(f"the preprocessing of {architecture.name}", rule, "none", architecture.note))
    usual = dataset.preprocess or architecture.preprocess
    if dataset.preprocess is None or not architecture.input.fixed:
        return usual
    return dataclasses.replace(usual, resize=architecture.preprocess.crop, crop=architecture.preprocess.crop)


def fitted(recipe: Recipe, usual: Preprocess, architecture: Architecture) -> Recipe:
    """A data set's recipe for one architecture.

    Unchanged if its preprocessing is ``usual`` and the input size of the network is not fixed. Else with ``usual``, and
    trained at the crop size of ``usual`` only.
    """
    if usual == recipe.preprocess and not architecture.input.fixed:
        return recipe
    return dataclasses.replace(recipe, preprocess=usual, sizes=(usual.crop,), first_sizes=())


def trained_path(architecture: Architecture, recipe: Recipe) -> Path:
    """The file in the user's cache for the weights that a recipe trains of an architecture."""
    code = [architecture.code] if architecture.code else []
    key = digest([architecture.name, trains(recipe), *code])[:12]
    name = architecture.name.replace(":", "_").replace("/", "_")
    return cache_dir() / "weights" / f"{name}-{recipe.name}-{key}.safetensors"


def trains(recipe: Recipe) -> dict[str, Any]:
    """The fields of a recipe that its weights depend on: all but those that name, describe or count."""
    return {name: value for name, value in recipe_data(recipe).items() if name not in _DESCRIBED}


_DESCRIBED = {"name", "source", "expected", "cost", "note", "accounting", "count_batch", "mini", "watched"}
_DESCRIBED |= {"watched_images"}


def build(architecture: Architecture, chosen: ChosenWeights, classes: int) -> Any:
    """The network with its weights, changed by their transforms, on the CPU.

    Declared weights are downloaded by their library.

    What a download prints goes to stderr. Raises ``WeightsError`` with one line if there is no connection (it names the
    file to provide and where), if the checkpoint is of another network or would run code, or if a transform cannot
    change this network.
    """
    import torch

    torch.manual_seed(chosen.seed)
    module = architecture.build(chosen.declared.classes if chosen.declared else classes)
    if not isinstance(module, torch.nn.Module):
        got = f"a {type(module).__name__}"
        raise PluginError(expected(f"what build of {architecture.name} returns", "a torch.nn.Module", got))
    state = _state(architecture, chosen)
    if state is not None:
        load_into(module, state, f"{architecture.name}, weights {chosen.label}")
    for transform in chosen.transforms:
        _apply(transform, module, architecture, chosen.preprocess)
    return module


def check_transforms(architecture: Architecture, chosen: ChosenWeights, classes: int) -> None:
    """Applies the transforms to the untrained network: raises ``build``'s error for one that cannot change it.

    For weights that are still to be trained.
    """
    build(architecture, dataclasses.replace(chosen, declared=None, path=None), classes)


def _state(architecture: Architecture, chosen: ChosenWeights) -> Mapping[str, Any] | None:
    """The state dict of the chosen weights; None for random ones."""
    if chosen.declared is not None:
        try:
            with contextlib.redirect_stdout(sys.stderr):
                return chosen.declared.load()
        except WeightsError:
            raise
        except Exception as error:
            what = f"Cannot get the weights {chosen.declared.name} of {architecture.name}: {failure_reason(error)}."
            raise WeightsError(f"{what} {chosen.declared.file}".strip()) from error
    return None if chosen.path is None else read_state(chosen.path)


def _apply(transform: Transform, module: Any, architecture: Architecture, preprocess: Preprocess) -> None:
    """Changes the weights of a module in place, in evaluation mode, so that an image changes no running statistics.

    Raises the transform's own ``BenchsuiteError``, and ``WeightsError`` for any other failure.
    """
    import torch

    image = torch.zeros(1, architecture.input.channels, preprocess.crop, preprocess.crop)
    where, before = f"{architecture.name}, --transform {transform.name}", _not_finite(module)
    try:
        with torch.no_grad():
            transform.apply(module.eval(), image)
    except BenchsuiteError as error:
        raise type(error)(f"{error} [{where}]") from None
    except Exception as error:
        raise WeightsError(expected("a transform", "possible for the network", first_line(error), where)) from error
    if broken := sorted(_not_finite(module) - before):
        raise WeightsError(expected("the weights after a transform", "finite", f"others in {broken[0]}", where))


def _not_finite(module: Any) -> set[str]:
    """The names of the weights and buffers that hold infinite numbers or no numbers."""
    floats = ((name, tensor) for name, tensor in module.state_dict().items() if tensor.is_floating_point())
    return {name for name, tensor in floats if not bool(tensor.isfinite().all())}
