"""``benchsuite.show``: a protocol's views, an architecture's weights, a transform, a published number, a run."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchsuite.api.catalog import facts as all_facts
from benchsuite.api.catalog.brief import brief
from benchsuite.api.catalog.facts import Facts
from benchsuite.api.catalog.words import text
from benchsuite.api.options import results_folder
from benchsuite.api.shown import WRAPPED, Shown
from benchsuite.errors import UnknownName, unknown_name
from benchsuite.explanation import ledger
from benchsuite.report.markup import escaped, tag
from benchsuite.report.tables.text import Table
from benchsuite.specs.architecture import Family
from benchsuite.specs.catalog import Catalog, load_plugins
from benchsuite.storage import run_folder

if TYPE_CHECKING:
    from benchsuite.api.evaluation import Evaluation
    from benchsuite.api.training import Training

PLAIN = ("dataset", "loader", "reporter")


@dataclass(frozen=True, slots=True, repr=False)
class Description(Shown):
    """What is known of a protocol, architecture, data set, published number, run ...; ``record`` is ``show --json``.

    ``asked`` is the name that was given.
    """

    record: Facts
    every: bool = False
    asked: str = field(default="", compare=False)

    def lines(self) -> Sequence[str]:
        """What it is, in a sentence; below the table what else matters. With ``every`` all that is known, in lines."""
        if self.every:
            return list(text(self.record))
        answer, _, rest = brief(self.record)
        return [answer, *rest, f"All that is known: benchsuite show {shlex.quote(self.asked)} --all"]

    def cells(self) -> Table:
        """The views, weights, parameters or facts."""
        return ([], []) if self.every else brief(self.record)[1]

    def _repr_html_(self) -> str:
        if not self.every:
            return Shown._repr_html_(self)  # super() needs the class before slots were added
        first, *rest = self.lines()
        return tag("p", tag("b", escaped(first))) + tag("pre", escaped("\n".join(rest)), style=WRAPPED)


def show(
    name: str | Path | Evaluation | Training,
    *,
    architecture: str = "resnet50",
    data: str | None = None,
    every: bool = False,
    results: str | Path | None = None,
    catalog: Catalog | None = None,
) -> Description:
    """What is known of a name, as ``benchsuite show`` does.

    It is that of a protocol, an architecture, a transform, a data set, a published number, a run or a training. The
    views of a protocol are made for ``architecture`` and for the preprocessing of ``data``. ``every`` shows all that is
    known, and not only what matters most. Raises ``UnknownName`` with the nearest name of all kinds.
    """
    asked, folder = str(getattr(name, "path", name)), results_folder(results)
    catalog = catalog or load_plugins()
    declared = _declared(catalog, asked, architecture, data)
    if declared is not None:
        return Description(declared, every, asked)
    for row in ledger.load():
        if row.id == asked:
            return Description(all_facts.published(catalog, row), every, asked)
    for trained in (Path(asked), folder / "training" / asked):
        if trained.parent.name == "training" and (trained / "manifest.json").is_file():
            return Description(all_facts.training(trained), every, asked)
    runs = [run.name for run in run_folder.runs_in(folder)]
    if (Path(asked) / "manifest.json").is_file() or any(run_folder.is_named(run, asked) for run in runs):
        return Description(all_facts.run(run_folder.find_run(folder, asked)), every, asked)
    raise _unknown(catalog, asked, runs, folder)


def _declared(catalog: Catalog, name: str, architecture: str, data: str | None) -> Facts | None:
    """The facts of a protocol, architecture, transform, dataset, loader or reporter, tried in this order."""
    head, colon, _ = name.partition(":")
    if head in catalog.protocols:
        return all_facts.protocol(catalog, name, architecture, data)
    families = {f.prefix for f in catalog.architectures.values() if isinstance(f, Family)}
    if head in catalog.architectures or (colon and head in families):
        return all_facts.architecture(catalog, name)
    if head in catalog.transforms:
        return all_facts.transform(catalog, name)
    kind = next((kind for kind in PLAIN if name in getattr(catalog, f"{kind}s")), None)
    return all_facts.plain(catalog, kind, name) if kind else None


def _unknown(catalog: Catalog, name: str, runs: list[str], results: Path) -> UnknownName:
    short = [
        *catalog.protocols,
        *catalog.architectures,
        *catalog.transforms,
        *(n for kind in PLAIN for n in getattr(catalog, f"{kind}s")),
    ]
    every = [*short, *(row.id for row in ledger.load()), *runs]
    head = name.partition(":")[0]
    near = difflib.get_close_matches(head.lower(), [n.lower() for n in every], n=1)
    return unknown_name("name", head, every if near else short, f"(runs are looked for in {results / 'runs'})")
