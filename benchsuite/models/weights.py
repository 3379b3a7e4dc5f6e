"""Weights: chosen by name, by file or by a recipe; read without running code; checked against the network."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchsuite.contract import call
from benchsuite.errors import BenchsuiteError, WeightsError, expected, first_line, unknown_name
from benchsuite.models.checkpoints import caffe, files, places
from benchsuite.models.checkpoints.choice import Reading, Selection
from benchsuite.models.checkpoints.extraction import Extracted, extract
from benchsuite.models.checkpoints.files import failure_reason
from benchsuite.models.state_dict import load_into, stored_metadata
from benchsuite.specs import parameters
from benchsuite.specs.architecture import Architecture, Transform, Weights
from benchsuite.specs.dataset import Dataset, recipe_for
from benchsuite.specs.preprocess import Preprocess, in_words
from benchsuite.specs.recipe import Options, Recipe, recipe_data, trained_label
from benchsuite.storage.files import cache_dir
from benchsuite.storage.keys import digest

SUFFIXES = (".pth", ".pt", ".th", ".tar", ".bin", ".ckpt", ".safetensors", ".caffemodel", ".npz")
"""Suffixes of ``--weights`` values that are treated as a path, so that a missing file is not reported as a name."""

USUAL = "the usual one of"
"""How the origin of a preprocessing begins that belongs to a data set or a network, not to the weights."""


@dataclass(frozen=True, slots=True)
class ChosenWeights:
    """The weights of one run: a label for people, a key for digests, and the preprocessing that they need.

    They come from exactly one source: ``declared`` by the architecture, a file at ``path``, or ``seed`` (random). With
    a ``recipe``, ``path`` is where its training writes them. ``selection`` is what was asked of the file. ``origin``
    says where the preprocessing comes from. ``options`` are those that the network is built with.
    ``transforms`` change the weights, in this order, after they are loaded; their names are part of the label and the
    key.
    """

    label: str
    key: str
    preprocess: Preprocess
    declared: Weights | None = None
    path: Path | None = None
    recipe: Recipe | None = None
    seed: int = 0
    transforms: tuple[Transform, ...] = ()
    selection: Selection = field(default_factory=Selection)
    origin: str = ""
    options: Options = ()


def choose(
    architecture: Architecture, dataset: Dataset, weights: str | None, seed: int, results: Path | None = None
) -> ChosenWeights:
    """The weights that a value of ``--weights`` means for this network and dataset. A file is hashed, not loaded.

    ``results`` is the folder whose trainings can be given by their id. Raises ``WeightsError`` when nothing can be
    chosen or the file is of another network, and ``UnknownName`` for a name that is not declared.
    """
    declared = {w.name: w for w in architecture.weights}
    usual = functools.partial(usual_preprocess, dataset, architecture)
    origin = usual_origin(dataset, architecture)
    own = recipe_for(dataset, architecture)
    if weights is None and own is not None:
        recipe = fitted(own, architecture)
        label, key = trained_label(recipe), digest(trains(recipe))
        path = trained_path(architecture, recipe)
        if own.preprocess != dataset.preprocess and architecture.preprocessing != "always":
            origin = f"the recipe {own.name}"
        return ChosenWeights(label, key, recipe.preprocess, path=path, recipe=recipe, origin=origin)
    if weights == "random":
        return ChosenWeights(f"random (seed {seed})", f"random:{seed}", usual(), seed=seed, origin=origin)
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
        key = f"{architecture.name}:{w.name}:{w.source}"
        return ChosenWeights(w.name, key, w.preprocess, declared=w, origin=w.origin or f"the declared weights {w.name}")
    return _from_file(
        architecture, dataset, places.parse(weights, [name for name, _ in architecture.file_options]), results
    )


def _from_file(
    architecture: Architecture, dataset: Dataset, place: places.Place, results: Path | None
) -> ChosenWeights:
    """The weights in a file, a folder, a URL or a model of the hub, with the preprocessing that is known for them.

    It is that of the declared weights if the file is theirs, else what the file says, else the usual one.
    """
    path, label = _located(architecture, place, results)
    selection = places.selection(place.options)
    sha, (preprocess, trained) = files.digest(path), stored_metadata(path)
    trained_as, name = trained.get("architecture", architecture.name), architecture.name
    if trained_as != name and trained_as.partition(":")[0] == name.partition(":")[0]:
        raise WeightsError(expected("the architecture", f"{trained_as}, that of the weights", name, str(path)))
    usual = usual_preprocess(dataset, architecture) if preprocess is None else preprocess
    origin = usual_origin(dataset, architecture)
    same = declared_as(architecture, sha)
    if preprocess is not None:
        origin = "the file"
    elif same is not None:
        preprocess, origin = same.preprocess, f"the declared weights {same.name}: it is their file"
    if path.suffix.lower() == caffe.SUFFIX:
        mean, source = caffe.mean(place.options.get("mean"), path)
        preprocess = dataclasses.replace(usual, mean=mean, std=(1.0,) * 3, channel_order="BGR", range=255.0)
        origin = f"Caffe's way, with the mean from {source}, and size and interpolation of {architecture.name}"
    elif "mean" in place.options:
        raise WeightsError(expected("mean= of --weights", f"for a {caffe.SUFFIX} file", path.name))
    options = _file_options(architecture, place, () if same else architecture.file_options)
    chosen = [f"{option}={place.options[option]}" for option in ("key", "classes") if option in place.options]
    key = [sha, *chosen]
    if selection.rows is not None:
        key[-1] = f"classes={digest(list(selection.rows.indices))}"
    key += [f"{option}={value}" for option, value in options]
    return ChosenWeights(
        ", ".join([trained.get("label", label), *chosen]),
        ", ".join(key),
        preprocess or usual,
        path=path,
        selection=selection,
        origin=origin,
        options=options,
    )


def _located(architecture: Architecture, place: places.Place, results: Path | None) -> tuple[Path, str]:
    """The checkpoint's file or index, and a label. Raises ``UnknownName`` for what is neither a name nor a file."""
    if place.remote:
        return places.fetched(place.name)
    training = results / "training" / place.name / "last.safetensors" if results else Path(place.name)
    path = training if training.is_file() else Path(place.name).expanduser()
    if path.is_dir():
        return files.resolve(path), path.resolve().name
    if not path.is_file():
        if path.suffix.lower() in SUFFIXES or os.sep in place.name:
            raise WeightsError(expected("--weights", "a name or a file", f"{place.name}, which is no file"))
        trainings = [p.parent.name for p in results.glob("training/*/last.safetensors")] if results else []
        declared = [w.name for w in architecture.weights]
        if place.name in (*declared, "random"):
            option = next(iter(place.options))
            raise WeightsError(expected(f"{option}= of --weights", "for a file", place.name))
        raise unknown_name(f"weights of {architecture.name}", place.name, [*declared, "random", *trainings])
    return path, path.name


def _file_options(architecture: Architecture, place: places.Place, usual: Options) -> Options:
    """The options that the network is built with for a file: those that the user gave, else ``usual``."""
    known = parameters.options(architecture)
    given = {n: place.options[n] for n, _ in architecture.file_options if n in place.options}
    values = {n: parameters.parse(n, text, known[n][0], place.name) for n, text in given.items()}
    return tuple((dict(usual) | values).items())


def declared_as(architecture: Architecture, sha: str) -> Weights | None:
    """The declared weights whose file has this SHA-256: its first digits are in the file's name, as for torch.hub."""
    for weights in architecture.weights:
        digits = re.search(r"-([0-9a-f]{8,64})\.\w+$", weights.source)
        if digits and sha.startswith(digits[1]):
            return weights
    return None


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


def usual_origin(dataset: Dataset, architecture: Architecture) -> str:
    """Where ``usual_preprocess`` is from, in words: ``the usual one of cifar10``."""
    if architecture.preprocessing == "always":
        return architecture.name
    return f"{USUAL} {dataset.name if dataset.preprocess else architecture.name}"


def fitted(recipe: Recipe, architecture: Architecture) -> Recipe:
    """A data set's recipe for one architecture.

    A network with its own preprocessing or a fixed input size is trained with that, at its crop size only. For others
    the recipe is unchanged.
    """
    how = recipe.preprocess
    if architecture.preprocessing == "always":
        how = architecture.preprocess
    elif architecture.input.fixed:
        how = dataclasses.replace(how, resize=architecture.preprocess.crop, crop=architecture.preprocess.crop)
    if how == recipe.preprocess and not architecture.input.fixed:
        return recipe
    return dataclasses.replace(recipe, preprocess=how, sizes=(how.crop,), first_sizes=())


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


@dataclass(frozen=True, slots=True)
class LoadedWeights:
    """A network with its weights, and what was done to a checkpoint to get them."""

    module: Any
    reading: Reading = field(default_factory=Reading)


def build(architecture: Architecture, chosen: ChosenWeights, classes: int) -> Any:
    """The network with its weights: see ``load``."""
    return load(architecture, chosen, classes).module


def load(architecture: Architecture, chosen: ChosenWeights, classes: int) -> LoadedWeights:
    """The network with its weights, changed by their transforms, on the CPU.

    Declared weights are downloaded by their library. The tensors of a file are looked for wherever they are in it.

    What a download prints goes to stderr. Raises ``WeightsError`` with one line if there is no connection (it names the
    file to provide and where), if the checkpoint is of another network, would run code or holds numbers that are not
    finite, or if a transform cannot change this network.
    """
    import torch

    torch.manual_seed(chosen.seed)
    count = chosen.declared.classes if chosen.declared else classes
    module = build_module(architecture, count, chosen.options)
    where, reading = f"{architecture.name}, weights {chosen.label}", Reading()
    if chosen.declared is not None:
        load_into(module, _declared_state(architecture, chosen.declared), where)
    elif chosen.path is not None:
        found = _extracted(architecture, chosen, module, where)
        load_into(module, found.state, where)
        reading = found.reading
    if chosen.declared is not None or chosen.path is not None:
        _check_finite(module, where)
    for transform in chosen.transforms:
        _apply(transform, module, architecture, chosen.preprocess)
    return LoadedWeights(module, reading)


def build_module(architecture: Architecture, classes: int, options: Options = ()) -> Any:
    """The untrained network. Raises ``PluginError`` if its plugin fails or returns no torch module."""
    import torch

    what = f"build of {architecture.name}"
    return call(what, torch.nn.Module, architecture.build, classes, **dict(options))


def notes(architecture: Architecture, chosen: ChosenWeights, reading: Reading) -> list[str]:
    """What a user should know of weights from a file, a line each: how it was read, and the preprocessing.

    If that is only the usual one, also how another is chosen.
    """
    if chosen.path is None or chosen.recipe is not None:
        return []
    said = f"preprocessing of {chosen.label}: {in_words(chosen.preprocess)}; from {chosen.origin}"
    if chosen.origin.startswith(USUAL):
        others = [w.name for w in architecture.weights if w.preprocess != chosen.preprocess][:1]
        said += f"; another: --preprocess {' or '.join([*others, 'mean=...,std=...'])}"
    options = ", ".join(f"{name}={parameters.show(value)}" for name, value in chosen.options)
    said += f"; the network has {options}" if options else ""
    return [*([f"{chosen.label}: {reading}"] if str(reading) else []), said]


def check_transforms(architecture: Architecture, chosen: ChosenWeights, classes: int) -> None:
    """Applies the transforms to the untrained network: raises ``build``'s error for one that cannot change it.

    For weights that are still to be trained.
    """
    build(architecture, dataclasses.replace(chosen, declared=None, path=None), classes)


def _declared_state(architecture: Architecture, declared: Weights) -> Mapping[str, Any]:
    """The state dict of declared weights, from their library."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return declared.load()
    except WeightsError:
        raise
    except Exception as error:
        what = f"Cannot get the weights {declared.name} of {architecture.name}: {failure_reason(error)}."
        raise WeightsError(f"{what} {declared.file}".strip()) from error


def _extracted(architecture: Architecture, chosen: ChosenWeights, module: Any, where: str) -> Extracted:
    """The network's tensors in the file of the chosen weights."""
    assert chosen.path is not None, "the weights are in a file"
    content = files.read(chosen.path)
    found = extract(content, module, chosen.selection, where, architecture.adapt, path=str(chosen.path))
    if chosen.path.suffix.lower() == caffe.SUFFIX:
        caffe.check_layers(module, found.beside, where)
    return found


def _check_finite(module: Any, where: str) -> None:
    """Raises ``WeightsError`` naming a tensor that holds no number, or a parameter that is infinite."""
    parameters = {name for name, _ in module.named_parameters()}
    for name in sorted(_not_finite(module)):
        tensor = module.state_dict()[name]
        if name in parameters or bool(tensor.isnan().any()):
            count = f"{int((~tensor.isfinite()).sum())} of {tensor.numel()} numbers that are not"
            raise WeightsError(expected(f"{name} of the checkpoint", "finite", count, where))


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
