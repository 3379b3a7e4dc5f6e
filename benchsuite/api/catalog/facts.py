"""The facts that ``benchsuite show`` prints about a protocol, an architecture, a transform or a run, as JSON."""

from __future__ import annotations

import dataclasses
import functools
import types
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from benchsuite.data import resize
from benchsuite.errors import StorageError, expected
from benchsuite.explanation import ledger
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.reproduction import run_command
from benchsuite.runs import manifest as run_manifest
from benchsuite.specs import dataset as datasets
from benchsuite.specs import parameters
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import Dataset
from benchsuite.specs.parameters import Bound
from benchsuite.specs.perturbation import describe_perturbation
from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.recipe import trained_label
from benchsuite.specs.view import View, describe, resized_shape, view_data
from benchsuite.storage import run_folder, training_folder
from benchsuite.training import manifest as training_manifest

Facts = dict[str, Any]
EXAMPLE = (375, 500)
"""(height, width) of the image that boxes are shown for: the most common size in ImageNet."""


def protocol(catalog: Catalog, text: str, network: str, data: str | None) -> Facts:
    """A protocol with its parameters, and the views that it makes for the default weights of an architecture.

    ``data`` names the dataset whose preprocessing and mirror rule apply; without it, mirror images keep their class.
    """
    bound = parameters.bind(text, parameters.finder(catalog.protocols))
    dataset = catalog.find("dataset", data.partition(":")[0]) if data else None
    weights, preprocess = _defaults(catalog.architecture(network), dataset)
    views = parameters.views(bound.inner or bound, preprocess, dataset.mirror if dataset else True)
    spec = bound.protocol
    return {
        "kind": "protocol",
        "name": spec.name,
        "label": bound.label,
        "owner": catalog.owner("protocol", spec.name),
        "note": spec.note,
        "source": spec.source,
        "combine": str(bound.combine),
        "parameters": parameter_facts(bound),
        "architecture": network,
        "weights": weights,
        "preprocess": dataclasses.asdict(preprocess),
        "inner": bound.inner.label if bound.inner else None,
        "of": bound.of.label if bound.of else None,
        "change": describe_perturbation(views[0].perturbation) if views[0].perturbation else None,
        "views": [view_facts(view) for view in views],
    }


def parameter_facts(bound: Bound) -> list[Facts]:
    """The parameters after the colon: name, type in words, and default and chosen value as a user types them."""
    how = bound.combine
    given = dict(bound.parameters) | dict(bound.overrides)
    if bound.of is None:  # else the scores are merged as those of the protocol whose pixels are changed
        given |= {"merge": how.space, "rule": how.rule, "average": how.average}
    facts = []
    for name, (kind, default) in parameters.parameters(bound.protocol).items():
        usual = "as the weights" if name in parameters.OVERRIDES else parameters.show(default)
        value = parameters.show(given[name]) if name in given else usual
        inner = name == "of" if bound.of else name == "protocol" and bound.inner is not None
        words = "a protocol, such as 10crop(flip=false)" if inner else type_words(kind)
        facts.append({"name": name, "type": words, "default": usual, "value": value})
    return facts


def type_words(kind: Any) -> str:
    """A type in words for users: ``true|false``, ``whole numbers joined by +, or auto``."""
    if get_origin(kind) in (Union, types.UnionType):
        return f"{type_words(next(k for k in get_args(kind) if k is not types.NoneType))}, or auto"
    if get_origin(kind) is tuple:
        return f"{type_words(get_args(kind)[0])}s joined by +"
    if get_origin(kind) is Literal:
        return "|".join(parameters.show(value) for value in get_args(kind))
    words = {bool: "true|false", int: "whole number", float: "number", str: "text", Fraction: "number or fraction"}
    return words.get(kind, str(kind))


def view_facts(view: View) -> Facts:
    """A view, in words and as data, with its box in the resized ``EXAMPLE``: (left, top, right, bottom) in pixels.

    The box of a mirrored view is given in the image before mirroring. A box in the border of a view reaches beyond it.
    """
    height, width = resized_shape(*EXAMPLE, view)
    left, top, right, bottom = 0, 0, width, height
    if view.crop is not None:
        top, left = resize.crop_origin(height, width, view.crop, view.pad)
        left = width - view.crop.size - left if view.flip else left
        right, bottom = left + view.crop.size, top + view.crop.size
    return {"text": describe(view), **view_data(view), "resized": [width, height], "box": [left, top, right, bottom]}


def architecture(catalog: Catalog, name: str) -> Facts:
    """An architecture with its options, its weights and their preprocessing."""
    spec = catalog.architecture(name)
    bare = catalog.architectures.get(name.partition(":")[0])
    options = parameters.options(bare) if isinstance(bare, Architecture) else {}
    dense = spec.dense if spec.dense in ("auto", None) else "own"
    return {
        "kind": "architecture",
        "name": spec.name,
        "owner": catalog.owner("architecture", name),
        "note": spec.note,
        "channels": spec.input.channels,
        "fixed_size": spec.input.fixed or dense is None,
        "dense": dense,
        "preprocess": dataclasses.asdict(spec.preprocess),
        "options": [
            {"name": n, "type": type_words(kind), "default": parameters.show(default)}
            for n, (kind, default) in options.items()
        ],
        "weights": [
            {"name": w.name, "classes": w.classes, "source": w.source, "file": w.file}
            | {"preprocess": dataclasses.asdict(w.preprocess)}
            for w in spec.weights
        ],
        "recipes": [recipe.name for recipe in spec.recipes],
    }


def plain(catalog: Catalog, kind: str, name: str) -> Facts:
    """A dataset, loader or reporter: the fields that it declares."""
    spec = catalog.find(kind, name)
    words = {f: getattr(spec, f) for f in ("note", "source", "path", "mirror", "download", "exact") if hasattr(spec, f)}
    if kind == "dataset" and spec.census:
        words["census"] = "; ".join(map(datasets.words, spec.census))
    if kind == "reporter":
        options = parameters.keywords(spec.work).items()
        words["options"] = ", ".join(f"{key}={parameters.show(default)}" for key, (_, default) in options)
    return {"kind": kind, "name": name, "owner": catalog.owner(kind, name), **words}


def transform(catalog: Catalog, text: str) -> Facts:
    """A transform with its parameters: name, type in words, and default and chosen value as a user types them."""
    bound, spec = catalog.transform(text), catalog.find("transform", text.partition(":")[0])
    chosen = bound.apply.keywords if isinstance(bound.apply, functools.partial) else {}
    return {
        "kind": "transform",
        "name": spec.name,
        "label": bound.name,
        "owner": catalog.owner("transform", spec.name),
        "note": spec.note,
        "source": spec.source,
        "parameters": [
            {"name": n, "type": type_words(kind)}
            | {"default": parameters.show(default), "value": parameters.show(chosen[n])}
            for n, (kind, default) in parameters.transform_parameters(spec).items()
        ],
    }


def run(folder: Path) -> Facts:
    """A run: its row of ``run --json``, and its whole manifest. Raises ``StorageError`` for a broken run."""
    manifest = run_folder.read_whole_manifest(folder)
    return {"kind": "run", **run_manifest.result_row(manifest, str(folder), cached=True), "manifest": manifest}


def training(folder: Path) -> Facts:
    """A training: its row of ``train --json``, and its whole manifest. Raises ``StorageError`` if it is unfinished."""
    manifest = training_folder.read(folder, weights=False)
    if manifest is None:
        raise StorageError(expected("a training", "finished", "one without a manifest", str(folder)))
    return {"kind": "training", **training_manifest.row(manifest, folder, cached=True), "manifest": manifest}


def published(catalog: Catalog, row: Published) -> Facts:
    """A row of the ledger: its error, how its source tests and counts, and the command that measures it again.

    If there is no command, ``remark`` says why. Fields that the source does not state are empty.
    """
    command, remark = run_command(catalog, row)
    how, origin = ledger.method(row), ledger.quoted(row)
    return {
        "kind": "published",
        **dataclasses.asdict(row),
        "error": None if row.error is None else float(row.error),
        "method": {field: getattr(how, field) for field in ("code", "merge", "rounding", "flip", "source")},
        "quotes": origin.id if origin else None,
        "command": command,
        "remark": remark,
    }


def _defaults(architecture: Architecture, dataset: Dataset | None) -> tuple[str, Preprocess]:
    """The weights that a run would use by default, in words, and their preprocessing."""
    recipe = None if dataset is None else datasets.recipe_for(dataset, architecture)
    if recipe is not None:
        return trained_label(recipe), recipe.preprocess
    if dataset is not None and dataset.preprocess is not None:
        return f"trained on {dataset.name}", dataset.preprocess
    if architecture.weights:
        return architecture.weights[0].name, architecture.weights[0].preprocess
    return "any", architecture.preprocess
