"""What plugins declare and what was published, as plain entries of each kind. Imports nothing heavy."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatch
from typing import Any

from benchsuite.errors import unknown_name
from benchsuite.specs.architecture import Architecture, Family, Transform
from benchsuite.specs.catalog import BUILT_IN, Catalog
from benchsuite.specs.parameters import parameters, show, transform_parameters
from benchsuite.specs.protocol import Protocol
from benchsuite.specs.recipe import Recipe

Entry = dict[str, Any]

_SENTENCE = re.compile(r"(?<!\bal)(?<!\bsec)(?<!\be\.g)(?<!\bi\.e)\.\s")

HEADERS = {
    "published": ("id", "value", "source", "protocol", "data set", "model"),
    "weights": ("architecture", "weights", "resize/crop", "source"),
    "recipes": ("recipe", "architecture", "data set", "expected", "cost"),
}
"""What the cells of ``line`` are; of other kinds they are the name and the first sentence of its note."""

GROUPED = {
    "architectures": ("plugin", "networks", "names"),
    "weights": ("architecture", "weights", "names"),
    "recipes": ("architecture", "recipes", "names"),
    "published": ("network", "figures", "top-1 error %"),
}
"""Long lists that are shown in groups, and what the cells of ``groups`` are."""


def line(kind: str, entry: Entry) -> list[str]:
    """The cells of one line of text."""
    if kind == "published":
        value = f"{entry['value'] or '-'} % {entry['metric'].replace('_', ' ')}"
        where = entry["source"] + ("" if entry["status"] == "verified" else " (unverified)")
        return [entry["id"], value, where, entry["protocol_text"], entry["dataset"], entry["model"]]
    if kind == "weights":
        return [entry["architecture"], entry["name"], f"{entry['resize']}/{entry['crop']}", entry["source"]]
    if kind == "recipes":
        return [entry["name"], entry["architecture"], entry["dataset"], entry["expected"], entry["cost"]]
    foreign = "" if entry["owner"].startswith(BUILT_IN) else f"[{entry['owner']}] "
    return [entry["name"], foreign + first_sentence(entry["note"])]


def groups(kind: str, entries: Sequence[Entry]) -> list[list[str]]:
    """One line for each plugin or network of a long list: its name, how many entries it has, and what they are."""
    from benchsuite.explanation import ledger

    found = dict[str, list[Entry]]()
    for entry in entries:
        owner = entry.get("owner", "").partition(" ")[0].rpartition(".")[2]
        key = owner if kind == "architectures" else ledger.base(entry["architecture"] or "") or "any other"
        found.setdefault(key, []).append(entry)
    return [[key, str(len(group)), _summed(kind, group)] for key, group in sorted(found.items(), key=_last_is_other)]


def _last_is_other(group: tuple[str, Sequence[Entry]]) -> tuple[bool, str]:
    return group[0] == "any other", group[0]


def _summed(kind: str, entries: Sequence[Entry]) -> str:
    if kind != "published":
        return ", ".join(entry["name"] for entry in entries)
    from benchsuite.explanation import ledger

    found = (ledger.error_of(entry["value"], entry["metric"]) for entry in entries if "top1" in entry["metric"])
    errors = sorted(error for error in found if error is not None)
    return " to ".join(map(str, dict.fromkeys((errors[0], errors[-1])))) if errors else ""


def matching(kind: str, entries: list[Entry], pattern: str) -> list[Entry]:
    """The entries of a kind whose name, network or model matches a pattern such as ``resnet*``, in any case.

    Raises ``UnknownName`` if there are none.
    """
    fields = ("name", "id", "model", "architecture")
    found = [e for e in entries if any(fnmatch(str(e.get(f) or "").lower(), pattern.lower()) for f in fields)]
    if not found:
        names = {str(e.get("name") or e.get("id")) for e in entries}
        raise unknown_name(f"name or pattern of {kind}", pattern, names)
    return found


def first_sentence(text: str) -> str:
    """The first sentence of a note without its full stop, for lists."""
    return _SENTENCE.split(text.strip(), maxsplit=1)[0].rstrip(".")


def of_model(entries: list[Entry], model: str | None) -> list[Entry]:
    """The entries of one model and its variants. Raises ``UnknownName`` when there are none."""
    if model is None:
        return entries
    from benchsuite.explanation import ledger

    matches = [e for e in entries if e["architecture"] and ledger.base(e["architecture"]) == ledger.base(model)]
    if not matches:
        raise unknown_name("model", model, {ledger.base(e["architecture"]) for e in entries} - {""})
    return matches


def architectures(catalog: Catalog) -> list[Entry]:
    """Networks and families of networks."""
    return [_architecture(catalog, name, spec) for name, spec in catalog.architectures.items()]


def of_family(catalog: Catalog, pattern: str) -> list[Entry]:
    """The networks of a family of which the pattern names the prefix: ``timm:resnet*``. Empty for other patterns."""
    family = catalog.architectures.get(f"{pattern.partition(':')[0]}:NAME") if ":" in pattern else None
    names = [f"{family.prefix}:{name}" for name in family.names()] if isinstance(family, Family) else []
    return [
        _architecture(catalog, name, catalog.architecture(name))
        for name in names
        if fnmatch(name.lower(), pattern.lower())
    ]


def _architecture(catalog: Catalog, name: str, spec: Architecture | Family) -> Entry:
    return {
        "name": name,
        "owner": catalog.owner("architecture", name),
        "note": spec.note,
        "weights": [w.name for w in spec.weights] if isinstance(spec, Architecture) else [],
        "channels": spec.input.channels if isinstance(spec, Architecture) else None,
        "fixed_size": spec.input.fixed or spec.dense is None if isinstance(spec, Architecture) else None,
    }


def protocols(catalog: Catalog) -> list[Entry]:
    """Test protocols with the defaults of their parameters, as a user types them."""
    return [
        _with_parameters(catalog, "protocol", spec, parameters(spec))
        | {"combine": str(spec.combine) if spec.perturb is None else "as the protocol in of"}
        for spec in catalog.protocols.values()
    ]


def datasets(catalog: Catalog) -> list[Entry]:
    """Datasets, and what to download where."""
    return [
        {
            "name": name,
            "owner": catalog.owner("dataset", name),
            "note": spec.note,
            "source": spec.source,
            "path": spec.path,
            "mirror": spec.mirror,
            "download": spec.download,
        }
        for name, spec in catalog.datasets.items()
    ]


def loaders(catalog: Catalog) -> list[Entry]:
    """Loaders; an ``exact`` one returns the same pixels as the reference decoder."""
    return [
        {"name": name, "owner": catalog.owner("loader", name), "note": spec.note, "exact": spec.exact}
        for name, spec in catalog.loaders.items()
    ]


def reporters(catalog: Catalog) -> list[Entry]:
    """Reporters."""
    return [
        {"name": name, "owner": catalog.owner("reporter", name), "note": spec.note}
        for name, spec in catalog.reporters.items()
    ]


def transforms(catalog: Catalog) -> list[Entry]:
    """Changes of weights before they are tested, with the defaults of their parameters, as a user types them."""
    return [
        _with_parameters(catalog, "transform", spec, transform_parameters(spec)) for spec in catalog.transforms.values()
    ]


def recipes(catalog: Catalog) -> list[Entry]:
    """How networks are trained: the recipes of architectures, and of datasets for any architecture."""
    return [
        {
            "name": recipe.name,
            "architecture": architecture,
            "dataset": recipe.dataset,
            "epochs": recipe.epochs,
            "expected": recipe.expected,
            "cost": recipe.cost,
            "source": recipe.source,
            "note": recipe.note,
        }
        for architecture, recipe in _recipes(catalog)
    ]


def weights(catalog: Catalog) -> list[Entry]:
    """The weights that architectures declare by name; the first of each is its default."""
    return [
        {
            "name": w.name,
            "architecture": spec.name,
            "owner": catalog.owner("architecture", spec.name),
            "classes": w.classes,
            "resize": w.preprocess.resize,
            "crop": w.preprocess.crop,
            "interpolation": w.preprocess.interpolation,
            "source": w.source,
        }
        for spec in catalog.architectures.values()
        if isinstance(spec, Architecture)
        for w in spec.weights
    ]


def published(catalog: Catalog) -> list[Entry]:
    """Every row of the ledger, with its error in percent."""
    from benchsuite.explanation import ledger

    return [
        {**dataclasses.asdict(row), "error": None if row.error is None else float(row.error)} for row in ledger.load()
    ]


def _with_parameters(
    catalog: Catalog, kind: str, spec: Protocol | Transform, known: Mapping[str, tuple[Any, Any]]
) -> Entry:
    return {
        "name": spec.name,
        "owner": catalog.owner(kind, spec.name),
        "note": spec.note,
        "source": spec.source,
        "parameters": {key: show(default) for key, (_, default) in known.items()},
    }


def _recipes(catalog: Catalog) -> Iterator[tuple[str, Recipe]]:
    for spec in catalog.architectures.values():
        if isinstance(spec, Architecture):
            yield from ((spec.name, recipe) for recipe in spec.recipes)
    for dataset in catalog.datasets.values():
        yield from (("", recipe) for recipe in (dataset.recipe, dataset.residual_recipe) if recipe is not None)


KINDS = {
    "architectures": architectures,
    "protocols": protocols,
    "datasets": datasets,
    "loaders": loaders,
    "reporters": reporters,
    "transforms": transforms,
    "recipes": recipes,
    "weights": weights,
    "published": published,
}
BRIEF = ("architectures", "protocols", "datasets", "loaders", "reporters", "transforms", "recipes")
"""The kinds that are listed if no kind is named: all except the long lists."""
