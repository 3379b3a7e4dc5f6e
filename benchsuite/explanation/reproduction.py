"""How to measure a published figure again: its network, weights and protocol as arguments of benchsuite."""

from __future__ import annotations

from typing import get_args

from benchsuite.errors import BenchsuiteError
from benchsuite.explanation import ledger
from benchsuite.explanation.ledger import Published
from benchsuite.specs import parameters
from benchsuite.specs.architecture import Weights
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.view import Interpolation


def run_command(catalog: Catalog, row: Published) -> tuple[str | None, str]:
    """The command that measures a published figure again, and what the user has to fill in; or None and the reason."""
    if row.id in ledger.trained() and row.dataset in catalog.datasets:
        note = f"PATH is the folder of your {row.dataset}; the recipe of its training is repeated"
        return f"benchsuite reproduce {row.id} --data {row.dataset}:PATH --train", note
    missing = missing_part(catalog, row)
    if missing:
        return None, missing
    if catalog.datasets[row.dataset].recipe is not None:
        return f"benchsuite reproduce {row.id}", f"the network is trained on {row.dataset} first"
    try:
        name, declared = network(catalog, row)
        spec = catalog.architecture(name)
        protocol = label(catalog, row, declared.preprocess if declared else spec.preprocess)
    except BenchsuiteError as error:
        return None, str(error)
    weights = f"--weights {declared.name if declared else 'FILE'}"
    words = f"benchsuite run {name} -p {protocol} --data {row.dataset}:PATH {weights}"
    if declared is None:
        return words, f"PATH and FILE are yours: benchsuite has no weights of {row.run or 'this source'}"
    return words, f"PATH is the folder of your {row.dataset}"


def ladder_command(catalog: Catalog, before: Published, after: Published) -> str | None:
    """The command that measures the change between two published figures of the same weights, one factor at a time.

    None if benchsuite lacks something that either figure needs.
    """
    if missing_part(catalog, before) or missing_part(catalog, after):
        return None
    try:
        name, declared = network(catalog, after)
    except BenchsuiteError:
        return None
    weights = f"--weights {declared.name if declared else 'FILE'}"
    return f"benchsuite explain {name} --data {after.dataset}:PATH {weights} --from {before.id} --to {after.id}"


def missing_part(catalog: Catalog, row: Published) -> str:
    """In words, what benchsuite lacks to measure a figure again; empty if nothing."""
    if not row.architecture:
        return "benchsuite has no such network"
    if ":" not in row.architecture and row.architecture not in catalog.architectures:
        return f"benchsuite has no network {row.architecture!r}"
    if row.protocol not in catalog.protocols:
        return "the source does not say a protocol that benchsuite has"
    return "" if row.dataset in catalog.datasets else f"benchsuite has no dataset {row.dataset!r}"


def network(catalog: Catalog, row: Published) -> tuple[str, Weights | None]:
    """The architecture and the declared weights of a figure: benchsuite's own if it has these weights, else timm's.

    The weights are None if neither declares them.
    """
    candidates = [row.architecture]
    if row.weights.startswith("timm.") and "timm:NAME" in catalog.architectures:
        candidates.append(f"timm:{ledger.base(row.architecture)}.{row.weights.removeprefix('timm.')}")
    for name in candidates:
        for weights in catalog.architecture(name).weights:
            if ledger.identity(name, weights.name)[1] == ledger.identity(row.architecture, row.weights)[1]:
                return name, weights
    return row.architecture, None


def label(catalog: Catalog, row: Published, preprocess: Preprocess) -> str:
    """The label of the protocol that the source tests with.

    Its parameters are the sizes, resampling, rounding and merging that the source states and that differ from the
    defaults. ``preprocess`` is that of the weights, which sets the default sizes and resampling.
    """
    finder = parameters.finder(catalog.protocols)
    known, how = parameters.parameters(finder(row.protocol)), ledger.method(row)
    given = {field: getattr(how, field) for field in ("rounding", "merge", "flip")}
    if row.short_side and row.short_side != preprocess.resize:
        given["resize"] = str(row.short_side)
    if row.crop and int(row.crop) != preprocess.crop:
        given["crop"] = row.crop
    if row.scales and preprocess.crop != 224:
        given["scales"] = row.scales
    for word in row.resize.split():
        if word in get_args(Interpolation) and word != preprocess.interpolation:
            given["interpolation"] = word
    tail = ",".join(f"{key}={value}" for key, value in sorted(given.items()) if value and key in known)
    return parameters.bind(f"{row.protocol}:{tail}" if tail else row.protocol, finder).label
