"""What ``benchsuite show`` knows of a protocol, an architecture, a published number or a run, as flat JSON data."""

from __future__ import annotations

import dataclasses
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from benchsuite import binding, ledger, ops, predictions, tables
from benchsuite.catalog import Catalog
from benchsuite.errors import BenchsuiteError, StorageError, expected
from benchsuite.ledger import Published
from benchsuite.specs import Architecture, Bound, Dataset, Preprocess, Weights
from benchsuite.view import Interpolation, View, describe, view_data

Facts = dict[str, Any]
EXAMPLE = (375, 500)
"""(height, width) of the image that boxes are shown for: the most common size in ImageNet."""


def protocol(catalog: Catalog, text: str, network: str, data: str | None) -> Facts:
    """A protocol with its parameters, and the views that it makes for the default weights of an architecture.

    ``data`` names the dataset whose preprocessing and mirror rule count; without one mirror images keep their class.
    """
    bound = binding.bind(text, binding.finder(catalog.protocols))
    dataset = catalog.find("dataset", data.partition(":")[0]) if data else None
    weights, preprocess = _defaults(catalog.architecture(network), dataset)
    made = binding.views(bound.inner or bound, preprocess, dataset.mirror if dataset else True)
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
        "views": [view_facts(view) for view in made],
    }


def parameter_facts(bound: Bound) -> list[Facts]:
    """What may be written after the colon: name, type in words, default and chosen value as they are typed."""
    how = bound.combine
    given = dict(bound.parameters) | dict(bound.overrides)
    given |= {"merge": how.space, "rule": how.rule, "average": how.average}
    facts = []
    for name, (kind, default) in binding.parameters(bound.protocol).items():
        usual = "as the weights" if name in binding.OVERRIDES else binding.show(default)
        value = binding.show(given[name]) if name in given else usual
        facts.append({"name": name, "type": type_words(kind), "default": usual, "value": value})
    return facts


def type_words(kind: Any) -> str:
    """A type as a user would say it: ``true|false``, ``whole numbers joined by +, or auto``."""
    if get_origin(kind) in (Union, types.UnionType):
        return f"{type_words(next(k for k in get_args(kind) if k is not types.NoneType))}, or auto"
    if get_origin(kind) is tuple:
        return f"{type_words(get_args(kind)[0])}s joined by +"
    if get_origin(kind) is Literal:
        return "|".join(get_args(kind))
    return {bool: "true|false", int: "whole number", float: "number", str: "text"}.get(kind, str(kind))


def view_facts(view: View) -> Facts:
    """A view, in words and as data, with its box in the resized ``EXAMPLE``: (left, top, right, bottom) in pixels.

    The box of a mirrored view lies in the picture as it was, before the mirror.
    """
    height, width = ops.resized_shape(*EXAMPLE, view)
    left, top, right, bottom = 0, 0, width, height
    if view.crop is not None:
        top, left = ops.crop_origin(height, width, view.crop)
        left = width - view.crop.size - left if view.flip else left
        right, bottom = left + view.crop.size, top + view.crop.size
    return {"text": describe(view), **view_data(view), "resized": [width, height], "box": [left, top, right, bottom]}


def architecture(catalog: Catalog, name: str) -> Facts:
    """An architecture with its weights and their preprocessing."""
    spec = catalog.architecture(name)
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
        "weights": [
            {"name": w.name, "classes": w.classes, "source": w.source, "file": w.file}
            | {"preprocess": dataclasses.asdict(w.preprocess)}
            for w in spec.weights
        ],
        "recipes": [recipe.name for recipe in spec.recipes],
    }


def plain(catalog: Catalog, kind: str, name: str) -> Facts:
    """A dataset, loader or reporter: what it says of itself."""
    spec = catalog.find(kind, name)
    words = {f: getattr(spec, f) for f in ("note", "source", "path", "mirror", "download", "exact") if hasattr(spec, f)}
    return {"kind": kind, "name": name, "owner": catalog.owner(kind, name), **words}


def run(folder: Path) -> Facts:
    """What a run was: the row of ``run --json``, and its whole manifest. Raises ``StorageError`` for a broken run."""
    manifest = predictions.read_manifest(folder)
    if manifest is None:
        raise StorageError(expected("a run", "whole: a manifest and its predictions", "a broken one", str(folder)))
    return {"kind": "run", **tables.result_row(manifest, str(folder), cached=True), "manifest": manifest}


def published(catalog: Catalog, row: Published) -> Facts:
    """A row of the ledger with its error, and the command that measures it again, or why there is none."""
    command, remark = measured_by(catalog, row)
    error = None if row.error is None else float(row.error)
    return {"kind": "published", **dataclasses.asdict(row), "error": error, "command": command, "remark": remark}


def measured_by(catalog: Catalog, row: Published) -> tuple[str | None, str]:
    """The command that measures a printed figure again, with what the user must put in; or None and the reason."""
    missing = _missing(catalog, row)
    if missing:
        return None, missing
    try:
        name, declared = _with_weights(catalog, row)
        spec = catalog.architecture(name)
        label = _label(catalog, row, declared.preprocess if declared else spec.preprocess)
    except BenchsuiteError as error:
        return None, str(error)
    words = ["benchsuite run", name, "-p", label, "--data", f"{row.dataset}:PATH"]
    if declared is None:
        words += ["--weights", "FILE"]
        return " ".join(words), f"PATH and FILE are yours: benchsuite has no weights of {row.run or 'this source'}"
    return " ".join([*words, "--weights", declared.name]), f"PATH is the folder of your {row.dataset}"


def _missing(catalog: Catalog, row: Published) -> str:
    """What benchsuite lacks to measure a figure again, in words; empty if nothing."""
    if not row.architecture:
        return "benchsuite has no such network"
    if ":" not in row.architecture and row.architecture not in catalog.architectures:
        return f"benchsuite has no network {row.architecture!r}"
    if row.protocol not in catalog.protocols:
        return "the source does not say a protocol that benchsuite has"
    return "" if row.dataset in catalog.datasets else f"benchsuite has no dataset {row.dataset!r}"


def _with_weights(catalog: Catalog, row: Published) -> tuple[str, Weights | None]:
    """The name to ask for and its declared weights: those of our network, else timm's own."""
    candidates = [row.architecture]
    if row.weights.startswith("timm.") and "timm:NAME" in catalog.architectures:
        candidates.append(f"timm:{ledger.base(row.architecture)}.{row.weights.removeprefix('timm.')}")
    for name in candidates:
        for weights in catalog.architecture(name).weights:
            if tables.identity(name, weights.name)[1] == tables.identity(row.architecture, row.weights)[1]:
                return name, weights
    return row.architecture, None


def _label(catalog: Catalog, row: Published, preprocess: Preprocess) -> str:
    """The protocol with the sizes and the resampling that the source says, where the weights' own are others."""
    changes = {}
    if row.short_side and row.short_side != preprocess.resize:
        changes["resize"] = str(row.short_side)
    if row.crop and int(row.crop) != preprocess.crop:
        changes["crop"] = row.crop
    if row.scales and preprocess.crop != 224:
        changes["scales"] = row.scales
    for word in row.resize.split():
        if word in get_args(Interpolation) and word != preprocess.interpolation:
            changes["interpolation"] = word
    tail = ",".join(f"{key}={value}" for key, value in sorted(changes.items()))
    label = f"{row.protocol}:{tail}" if tail else row.protocol
    return binding.bind(label, binding.finder(catalog.protocols)).label


def _defaults(architecture: Architecture, dataset: Dataset | None) -> tuple[str, Preprocess]:
    """The weights that a run would take, in words, and their preprocessing."""
    if dataset is not None and dataset.recipe is not None:
        return f"trained here ({dataset.recipe.name})", dataset.recipe.preprocess
    if dataset is not None and dataset.preprocess is not None:
        return f"trained on {dataset.name}", dataset.preprocess
    if architecture.weights:
        return architecture.weights[0].name, architecture.weights[0].preprocess
    return "any", architecture.preprocess
