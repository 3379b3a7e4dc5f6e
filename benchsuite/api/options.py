"""What the functions of the API share: the options of an evaluation, the results folder, plugins and progress."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

from benchsuite.api.bars import bars
from benchsuite.contract import fault_of
from benchsuite.errors import BadParameter, expected, unknown_name
from benchsuite.evaluation.question import RunRequest
from benchsuite.progress import Progress
from benchsuite.runs.preprocessing import as_text
from benchsuite.specs.catalog import Catalog, load_plugins
from benchsuite.specs.preprocess import Preprocess


class EvaluationOptions(TypedDict, total=False):
    """The options of ``benchsuite run``, with the same defaults; ``benchsuite run --help`` describes them.

    ``compiled`` is ``--compile``. ``results`` is the folder of the runs, by default BENCHSUITE_RESULTS or ./results.
    """

    data: str | None
    weights: str | Path | None
    preprocess: str | Preprocess | None
    transforms: str | Sequence[str]
    loader: str
    device: str
    precision: str
    batch_size: int | None
    workers: int | None
    resize_on: str
    compiled: bool
    limit: int | None
    seed: int
    fresh: bool
    processes: int
    results: str | Path | None


class Surroundings(TypedDict, total=False):
    """What a call works with: the plugins in ``catalog``, by default ``load_plugins()``, and where progress is shown.

    ``progress=False`` shows nothing; True, the default, draws a bar.
    """

    catalog: Catalog | None
    progress: Progress | bool


class Options(EvaluationOptions, Surroundings, total=False):
    """The options of ``evaluate`` and ``explain``."""


def run_request(
    architectures: tuple[str, ...], protocols: tuple[str, ...], options: Mapping[str, Any], function: str
) -> RunRequest:
    """The request that a call makes. Raises ``UnknownName`` for an option that does not exist, and ``BadParameter`` for
    a value of another type.

    Paths may be given as ``Path``; the fields of ``Surroundings`` are left out.
    """
    own = {f.name for f in dataclasses.fields(RunRequest)} - {"architectures", "protocols"}
    given = {k: v for k, v in options.items() if k not in Surroundings.__annotations__}
    for name in given:
        if name not in own:
            raise unknown_name(f"option of {function}", name, own | set(Surroundings.__annotations__))
    given["results"] = results_folder(given.get("results"))
    if "transforms" in given:
        transforms = given["transforms"]
        given["transforms"] = (transforms,) if isinstance(transforms, str) else tuple(transforms)
    if isinstance(given.get("preprocess"), Preprocess):
        given["preprocess"] = as_text(given["preprocess"])
    if given.get("weights") is not None:
        given["weights"] = str(given["weights"])
    for name, value in given.items():
        if fault := fault_of(value, RunRequest, name):
            raise BadParameter(expected(f"{fault.field} of {function}", fault.rule, fault.got))
    return RunRequest(architectures, protocols, **given)


def results_folder(results: str | Path | None) -> Path:
    """The folder of the runs: as given, else BENCHSUITE_RESULTS, else ./results."""
    return Path(results or os.environ.get("BENCHSUITE_RESULTS") or "results")


def surroundings(options: Mapping[str, Any]) -> tuple[Catalog, Progress]:
    """The plugins and the progress of a call. Plugins that could not be loaded are named in a note."""
    wanted = options.get("progress", True)
    if not isinstance(wanted, bool | Progress):
        raise BadParameter(expected("progress", "True, False or a Progress", wanted))
    progress = (bars() if wanted else Progress()) if isinstance(wanted, bool) else wanted
    catalog = options.get("catalog") or load_plugins()
    for name, reason in catalog.broken:
        progress.note(f"plugin {name} could not be loaded: {reason}")
    return catalog, progress
