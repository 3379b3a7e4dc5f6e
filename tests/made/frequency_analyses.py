"""Runs on filtered pictures with made-up scores, and their analysis with made-up energies: no network, no torch."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from finished_runs import TORCHVISION, saved, scores

from benchsuite.explanation.frequency import analysis, counts
from benchsuite.explanation.frequency.analysis import Attack, FrequencyAnalysis, Kernels, Measurement
from benchsuite.specs.perturbation import Perturbation
from benchsuite.specs.preprocess import center
from benchsuite.specs.view import view_data
from benchsuite.stats.radial_energy import averaged, padded, ring_energy, without_mean

CLEAN, RADII, RADIUS, SIDE = "resnet50-1crop-x-aaa", (4, 12), 12, 32


def filtered_view(kind: str, r: Fraction, **options: Any) -> dict[str, Any]:
    """The data of a centre crop whose waves up to r, or beyond, are kept."""
    place = f"benchsuite.protocols._frequency_filter:{kind}"
    parameters = {"r": r, "unit": "pixels", "rule": "le", "range": "none", **options}
    change = Perturbation(kind, place, tuple(parameters.items()), reference=f"{place}_reference")
    return view_data(center(TORCHVISION, perturbation=change))


def filtered_run(results: Path, kind: str, r: int | Fraction, logits: Any, **changes: Any) -> str:
    """Writes a run on filtered pictures; returns its id."""
    options = changes.pop("options", {})
    label = f"{kind}:r={r}" + "".join(f",{k}={v}" for k, v in options.items())
    name = f"resnet50-{label.replace(':', '_').replace('/', '_')}-x-{kind[0]}{float(r):g}{''.join(options.values())}"
    view = filtered_view(kind, Fraction(r), **options)
    fields = {"protocol__label": label, "protocol__parameters": {"r": str(r), "of": "1crop"}, "views": [view]}
    saved(results, name, logits, run_id=name, **{**fields, **changes})
    return name


def filtered_runs(results: Path, n: int = 60, **changes: Any) -> list[str]:
    """A clean run and runs at two radii; returns their ids."""
    saved(results, CLEAN, scores(n, 10, 1), **changes)
    made = [CLEAN]
    for i, r in enumerate(RADII):
        for j, kind in enumerate(("lowpass", "highpass")):
            noise = (3.0 - i, 2.0 + i)[j]
            made.append(filtered_run(results, kind, r, scores(n, 10, 10 * i + j, noise=noise), **changes))
    return made


def analysed(results: Path, n: int = 60, *, pictures: bool = True, **changes: Any) -> FrequencyAnalysis:
    """The runs of ``filtered_runs`` with their analysis next to them."""
    ids = filtered_runs(results, n, **changes)
    columns = [counts.columns(results / "runs" / run_id) for run_id in ids]
    rows = [{"run_id": run_id, "protocol": run_id.split("-")[1].replace("_", ":")} for run_id in ids]
    pairs = list(zip(rows, columns, strict=True))
    random = np.random.default_rng(0)
    energies = [averaged(without_mean(ring_energy(random.normal(size=(5, 3, SIDE, SIDE))))) for _ in range(3)]
    weights = random.normal(size=(4, 3, 3, 3))
    kernel = averaged(ring_energy(padded(weights, 32)))
    assert kernel is not None
    kernels = Kernels("stem <b>", 4, 32, tuple(map(_nested, weights)), kernel)
    found = FrequencyAnalysis(
        **{"run_id": CLEAN, "architecture": "resnet50", "weights": "IMAGENET1K_V1", "protocol": "1crop"},
        **{"dataset": "madeup", "n": n, "of": n, "side": SIDE, "at": 0, "radius": RADIUS},
        clean_right=int((columns[0]["rank"] == 0).sum()),
        curve=tuple(counts.at_radius(r, columns[0], *pairs[1 + 2 * i : 3 + 2 * i]) for i, r in enumerate(RADII)),
        attack=Attack("pgd", "pgd eps=8/255", "not-kept", CLEAN, n, n // 2, 3) if pictures else None,
        left_out="" if pictures else "it was left out",
        triples=counts.triples(columns[0], columns[-2], columns[-1]),
        measurement=Measurement(5, "crop 32", SIDE, *(energies if pictures else (energies[0], None, None)), 2, kernels),
        made_from="a",
        measured_from="b",
    )
    analysis.write(analysis.path(results, CLEAN), found)
    return found


def _nested(kernel: Any) -> Any:
    return tuple(tuple(map(tuple, channel)) for channel in kernel.tolist())
