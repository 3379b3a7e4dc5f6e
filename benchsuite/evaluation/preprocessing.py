"""The preprocessing of a run in words, with where it comes from: for its manifest, and of it."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from benchsuite.models.weights import ChosenWeights
from benchsuite.specs import parameters
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.preprocess import Preprocess, from_data, in_words
from benchsuite.specs.recipe import TRAINED_HERE, Options

SIZES = "; sizes by the protocol: "
"""Stands before sizes that the protocol sets, in place of those of the weights."""

UNKNOWN = "source not recorded"
"""What is said of a run that was made before manifests had the source of the preprocessing."""


def recorded(chosen: ChosenWeights, architecture: Architecture) -> dict[str, str]:
    """What a manifest says of a network's preprocessing besides its numbers: the source, and the network's own part."""
    own = own_input(architecture, chosen.options)
    return {"preprocess_from": chosen.origin, **({"own_input": own} if own else {})}


def own_input(architecture: Architecture, chosen: Options = ()) -> str:
    """What the network itself does to its input, in words, if it is built with these options; empty for nothing."""
    if architecture.own_input is None:
        return ""
    build, named = architecture.build, dict[str, Any]()
    while isinstance(build, functools.partial):
        named, build = build.keywords | named, build.func
    usual = {name: default for name, (_, default) in parameters.options(architecture).items()}
    return architecture.own_input(usual | named | dict(chosen))


def of_manifest(manifest: Mapping[str, Any]) -> list[str]:
    """A text for each way in which a run prepared its images: sizes, mean and std, and the source.

    If the protocol has other sizes than the weights, they follow after ``SIZES``. For a training it is the
    preprocessing of its recipe. Empty for manifests without it.
    """
    recipe = manifest.get("recipe", {})
    if "preprocess" in recipe:
        return [f"{in_words(from_data(recipe['preprocess']))}; from the recipe"]
    members = (m for m in manifest.get("members", ()) if "preprocess" in m)
    return list(dict.fromkeys(_of_member(member, manifest["dataset"]["name"]) for member in members))


def _of_member(member: Mapping[str, Any], dataset: str) -> str:
    weights = from_data(member["preprocess"])
    own = f"; {member['own_input']}" if "own_input" in member else ""
    source = member.get("preprocess_from") or _derived(member, dataset)
    source = f"from {source}" if source else UNKNOWN
    sizes = _sizes(weights, member.get("views", ()))
    return f"{in_words(weights)}{own}; {source}{SIZES + sizes if sizes else ''}"


def _sizes(weights: Preprocess, views: Any) -> str:
    """The sizes of these views, which are JSON data, in words; empty if they are those of the weights."""
    usual = [weights.interpolation, weights.antialias, weights.crop]
    sides = list(dict.fromkeys(tuple(v["resize"]) if isinstance(v["resize"], list) else v["resize"] for v in views))
    others = [[v["interpolation"], v["antialias"], v["crop"]["size"] if v["crop"] else None] for v in views]
    if not sides or (sides == [weights.resize] and all(one == usual for one in others)):
        return ""
    lengths = "+".join("x".join(map(str, side)) if isinstance(side, tuple) else str(side) for side in sides)
    crops = list(dict.fromkeys("no crop" if crop is None else f"crop {crop}" for _, _, crop in others))
    ways = list(dict.fromkeys(name if smooth else f"{name} without antialiasing" for name, smooth, _ in others))
    other_way = any(one[:2] != usual[:2] for one in others)
    return ", ".join([f"short side {lengths}", " and ".join(crops), *([" and ".join(ways)] if other_way else [])])


def _derived(member: Mapping[str, Any], dataset: str) -> str:
    """The source of the preprocessing of a run whose manifest has none, where its weights tell it; else empty."""
    label, key = (str(member["weights"].get(name, "")) for name in ("label", "key"))
    first = label.partition(", ")[0]
    if key.startswith(f"{member['architecture']}:{first}:"):
        return f"the declared weights {first}"
    return f"the usual one of {dataset}" if label.startswith(f"{TRAINED_HERE} (") else ""
