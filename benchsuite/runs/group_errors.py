"""The errors of a run by groups of its images: the section of a manifest, and the keys of ``run --json``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from benchsuite.specs.dataset import Baseline
from benchsuite.stats.groups import GroupCount, relative_error, tally
from benchsuite.storage.run_folder import GROUP


def section(names: Sequence[str], columns: Mapping[str, Any], baseline: Baseline | None) -> dict[str, Any]:
    """The section ``groups`` of a manifest, as JSON data: the names, the counts, and the reference's errors if any.

    ``columns`` are the predictions. A reference's errors are fractions as text, such as ``"1/2"``.
    """
    counts = tally([columns[f"{GROUP}{name}"] for name in names], columns["rank"].tolist())
    reference = baseline and {
        "name": baseline.name,
        "by": baseline.by,
        "errors": {value: str(error) for value, error in baseline.errors},
        "cells": baseline.cells,
        "source": baseline.source,
    }
    return {
        "names": list(names),
        "counts": [[*c.values, c.n, c.top1_errors, c.top5_errors] for c in counts],
        **({"baseline": reference} if reference else {}),
    }


def keys(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of ``run --json`` about groups; none for a run without groups.

    ``groups`` lists the counts of each group: its values by name, ``n``, and its errors. ``relative_error`` is the mean
    error relative to a reference network, in percent; its value is None if ``missing`` groups are not complete.
    """
    if "groups" not in manifest:
        return {}
    stored = manifest["groups"]
    names, counts = stored["names"], counts_of(stored)
    rows = [
        dict(zip(names, c.values, strict=True)) | {"n": c.n, "top1_errors": c.top1_errors, "top5_errors": c.top5_errors}
        for c in counts
    ]
    found: dict[str, Any] = {"group_names": names, "groups": rows}
    if "baseline" in stored:
        base = stored["baseline"]
        errors = {value: Fraction(error) for value, error in base["errors"].items()}
        ratio, missing = relative_error(counts, names.index(base["by"]), errors, base["cells"])
        words = {name: base[name] for name in ("name", "by", "cells", "source")}
        value = None if ratio is None else float(100 * ratio)
        found["relative_error"] = {**words, "value": value, "missing": list(missing)}
    return found


def counts_of(stored: Mapping[str, Any]) -> list[GroupCount]:
    """The counts in the section ``groups`` of a manifest."""
    width = len(stored["names"])
    return [GroupCount(tuple(line[:width]), *line[width:]) for line in stored["counts"]]
