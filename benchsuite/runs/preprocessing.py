"""``--preprocess``: another preprocessing than that of the weights, by the name of others or field by field."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from benchsuite.errors import BadParameter, BenchsuiteError, expected, unknown_name
from benchsuite.models.weights import ChosenWeights, choose
from benchsuite.specs import parameters
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.dataset import Dataset
from benchsuite.specs.preprocess import Preprocess, center

REQUIRED = frozenset(f.name for f in dataclasses.fields(Preprocess) if f.default is dataclasses.MISSING)


FIELDS: dict[str, tuple[Any, Any]] = {
    **{name: (kind, None) for name, kind in typing.get_type_hints(Preprocess).items()},
    "resize": (tuple[int, ...], None),
    "channel_order": (Literal["RGB", "BGR", "rgb", "bgr"], None),
}
"""The fields as they are typed: name -> (type, default)."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What ``--preprocess`` asks for: the preprocessing of the declared weights ``name``, changed in some fields."""

    name: str
    base: Preprocess | None
    fields: Mapping[str, Any]

    @property
    def text(self) -> str:
        """As a user types it, in one order: ``akamaster,mean=0.5+0.5+0.5,std=0.5+0.5+0.5``."""
        changed = [f"{name}={parameters.show(value)}" for name, value in sorted(self.fields.items())]
        return ",".join([*([self.name] if self.name else []), *changed])

    @property
    def complete(self) -> bool:
        """Whether nothing is taken from the weights or the data set."""
        return self.base is not None or set(self.fields) >= REQUIRED

    def on(self, usual: Preprocess) -> Preprocess:
        """The preprocessing; ``usual`` is that of the weights."""
        return dataclasses.replace(self.base or usual, **self.fields)

    def origin(self, usual: str) -> str:
        """Where it comes from; ``usual`` says that of the weights."""
        rest = f"the declared weights {self.name}" if self.name else usual
        if not self.fields:
            return f"{rest}, chosen by the user"
        whole = set(self.fields) == {f.name for f in dataclasses.fields(Preprocess)}
        return "the user" if whole else f"the user ({', '.join(sorted(self.fields))}), the rest from {rest}"


def read(text: str, architecture: Architecture) -> Asked:
    """``akamaster,mean=0.5+0.5+0.5`` -> what is asked for. The name is one of the architecture's declared weights.

    Raises ``UnknownName`` for another name, and ``BadParameter`` for a field that does not exist or has another type.
    """
    name, _, tail = text.partition(",")
    if "=" in name:
        name, tail = "", text
    declared, name = {w.name: w.preprocess for w in architecture.weights}, name.strip()
    if name and name not in declared:
        line = unknown_name(f"weights of {architecture.name}", name, declared) if declared else None
        rule = f"FIELD=VALUE,..., as {architecture.name} declares no weights"
        raise line or BadParameter(expected("--preprocess", rule, text))
    if not (name or tail):
        raise BadParameter(expected("--preprocess", "the name of declared weights, FIELD=VALUE,... or both", "nothing"))
    return Asked(name, declared[name] if name else None, _fields(tail, text))


def _fields(tail: str, text: str) -> dict[str, Any]:
    """``resize=256,channel_order=bgr`` -> fields of ``Preprocess``; errors name the whole ``text``."""
    found = parameters.parse_fields(tail, FIELDS, "field of --preprocess", text)
    if "resize" in found:
        if len(found["resize"]) > 2:
            raise BadParameter(expected("resize", "a short side, or height+width", "more than two numbers", text))
        found["resize"] = found["resize"] if len(found["resize"]) == 2 else found["resize"][0]
    if "channel_order" in found:
        found["channel_order"] = found["channel_order"].upper()
    return found


def as_text(preprocess: Preprocess) -> str:
    """The value of ``--preprocess`` that gives exactly this."""
    return Asked("", None, {f.name: getattr(preprocess, f.name) for f in dataclasses.fields(preprocess)}).text


def choose_prepared(
    architecture: Architecture,
    dataset: Dataset,
    weights: str | None,
    seed: int,
    results: Path | None,
    preprocess: str | None,
) -> ChosenWeights:
    """``choose``, with the preprocessing of ``--preprocess``, which becomes part of the label and the key.

    If that is the one of the weights anyway, nothing changes. Raises ``BadParameter`` for values that cannot be.
    """
    if preprocess is None:
        return choose(architecture, dataset, weights, seed, results)
    asked = read(preprocess, architecture)
    if asked.complete and architecture.preprocessing == "never":  # then the placeholder of the network is not used
        architecture = dataclasses.replace(architecture, preprocessing="default")
    chosen = choose(architecture, dataset, weights, seed, results)
    wanted = asked.on(chosen.preprocess)
    if wanted == chosen.preprocess:
        return chosen
    _check(wanted, architecture, chosen.preprocess.crop, preprocess)
    words, origin = f"preprocess {asked.text}", asked.origin(chosen.origin)
    label, key = f"{chosen.label}, {words}", f"{chosen.key}, {words}"
    return dataclasses.replace(chosen, label=label, key=key, preprocess=wanted, origin=origin)


def _check(p: Preprocess, architecture: Architecture, crop: int, text: str) -> None:
    """Raises ``BadParameter`` for a preprocessing that is none, or none of this network."""
    where, channels = f"--preprocess {text}", architecture.input.channels
    try:
        center(p)
    except BenchsuiteError as error:
        raise BadParameter(f"{error} [{where}]") from None
    for name, values in (("mean", p.mean), ("std", p.std)):
        if len(values) != channels:
            raise BadParameter(expected(name, f"{channels} numbers, one for each channel", len(values), where))
        if not all(math.isfinite(v) and (name == "mean" or v > 0) for v in values):
            rule = "finite" if name == "mean" else "finite and above 0"
            raise BadParameter(expected(name, rule, parameters.show(values), where))
    if p.range not in (1.0, 255.0):
        raise BadParameter(expected("range", "1 or 255", f"{p.range:g}", where))
    if architecture.input.fixed and p.crop != crop:
        raise BadParameter(expected("crop", f"{crop}, the fixed input size of {architecture.name}", p.crop, where))
