"""``benchsuite.check_data`` and ``benchsuite.prepare_data``: is a data set sound, and the file of a fast loader."""

from __future__ import annotations

import shlex
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from benchsuite.api.options import Surroundings, results_folder, surroundings
from benchsuite.api.shown import Shown
from benchsuite.errors import BadParameter, expected
from benchsuite.report.tables.text import Table
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import SplitName
from benchsuite.specs.loader import Loader
from benchsuite.specs.view import Interpolation, View
from benchsuite.storage.data_places import located

if TYPE_CHECKING:
    import pandas as pd

    from benchsuite.doctor.check import CheckResult

FEW, SHOWN = 1, 5
"""Examples that are shown for each finding, at first and if all is asked for."""
SHORT, LONGEST = 100, 400
"""Characters that are shown of an example, then: 400 are more than the path of one file has on most disks."""
STATES = {"ok": "ok", "note": "note", "skipped": "not checked", "failed": "FAILED"}


@dataclass(frozen=True, slots=True, repr=False)
class DataCheck(Shown):
    """What a check of a data set found. ``fine`` if no check failed and it could be opened."""

    result: CheckResult
    every: bool = False

    @property
    def fine(self) -> bool:
        """Whether the data set was opened, and no check failed."""
        return self.result.exit_status == 0

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``data check --json``."""
        from benchsuite.doctor.check import flat

        return flat(self.result)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each finding: its check, its level, what was found, examples, what to do."""
        import pandas as pd

        return pd.DataFrame(self.record["findings"])

    def lines(self) -> Sequence[str]:
        """The verdict and, below the findings, what to do, examples of them, and the digests."""
        from benchsuite.doctor.check import conclusion

        whose = f"{self.result.name}, {self.result.split} split"
        passed = dict.fromkeys(f.check for f in self.result.findings if f.level == "ok")
        fine = [f"checked and fine: {', '.join(passed)}"] if passed else []
        rest = [*map(": ".join, self.digests)] if self.every else [*fine, "all findings, and the digests: --all"]
        return [f"{whose}: {conclusion(self.result)}", *self.advice(), *self.examples(), *rest]

    def cells(self) -> Table:
        """A line for each finding that is more than fine; with ``every`` for each."""
        found = [f for f in self.result.findings if self.every or f.level != "ok"]
        return ["check", "state", "what was found"], [[f.check, STATES[f.level], f.text] for f in found]

    @property
    def digests(self) -> list[tuple[str, str]]:
        """The digests that are known, with their names."""
        names, pixels = self.result.digest, self.result.pixels_digest
        facts = [("digest of names, labels and file sizes", names), ("digest of the pixels", pixels)]
        return [fact for fact in facts if fact[1]]

    def examples(self) -> list[str]:
        """A line for each finding that has examples: the first of them, and how many more there are."""
        lines, shown = [], SHOWN if self.every else FEW
        for finding in self.result.findings:
            more = len(finding.examples) - shown
            where = "--json" if self.every else "--all"
            names = [_short(name, LONGEST if self.every else SHORT) for name in finding.examples[:shown]]
            names += [f"and {more:,} more, listed by {where}"] * (more > 0)
            lines += [f"{finding.check}: {'; '.join(names)}"] if names else []
        return lines

    def advice(self) -> list[str]:
        """A line for each finding that something can be done about."""
        return [f"- {finding.check}: {finding.advice}." for finding in self.result.findings if finding.advice]


def _short(example: str, most: int) -> str:
    """An example cut to ``most`` characters: a group of copies may have thousands of names."""
    return example if len(example) <= most else f"{example[:most]}…"


def check_data(
    data: str,
    *,
    split: SplitName = "test",
    full: bool = False,
    model: str | None = None,
    weights: str | Path | None = None,
    images: int | None = None,
    device: str | None = None,
    every: bool = False,
    results: str | Path | None = None,
    **options: Unpack[Surroundings],
) -> DataCheck:
    """Checks a data set before a long run, as ``benchsuite data check`` does: counts, broken files, copies, sizes.

    ``data`` is typed as for a run: ``imagenet:PATH``. ``full`` decodes every image and finds copies by their
    pixels. ``model`` is a trained network, with ``weights`` and on ``device``, whose predictions on ``images``
    images show whether the classes are in the order that it expects. ``every`` shows also what is fine. Raises a
    ``BenchsuiteError`` for wrong arguments, and for a data set that cannot be opened and whose path is not a
    folder; of a folder it says what is in it.
    """
    from benchsuite.doctor import check

    catalog, progress = surroundings(options)
    file = None if weights is None else str(weights)
    request = check.CheckRequest(data, split, full, model, file, images, device, results_folder(results))
    return DataCheck(check.checkup(request, catalog, progress), every)


@dataclass(frozen=True, slots=True, repr=False)
class PreparedData(Shown):
    """The ``file`` that a fast loader reads; ``record`` is ``data prepare --json``."""

    file: Path
    data: str
    loader: str
    record: Mapping[str, Any] = field(compare=False)

    def lines(self) -> Sequence[str]:
        """Where the file is, what it holds, and how it is used."""
        note = self.record
        size, view = f"{note['bytes'] / 2**20:.1f} MiB", note["view"]
        what = f"of short side {view['resize']}" if view else "at full size" if note["exact"] else "as JPEG"
        done = "already up to date" if note["cached"] else "written and read back"
        whose = "the pixels are" if note["exact"] else "the pixels are not"
        use = shlex.join(["benchsuite", "run", "ARCHITECTURE", "--data", self.data, "--loader", self.loader])
        return [
            f"{self.file}: {note['images']} images {what}, {size}, {done}; {whose} the reference decoder's",
            f"use it with: {use}",
        ]


FIELDS = ("file", "bytes", "images", "dataset", "digest", "loader", "exact", "view", "decoder", "cached")


def prepare_data(
    data: str,
    loader: str,
    *,
    short_side: int | None = None,
    interpolation: Interpolation | None = None,
    out: str | Path | None = None,
    workers: int | None = None,
    fresh: bool = False,
    **options: Unpack[Surroundings],
) -> PreparedData:
    """Writes the file that a fast loader reads, and reads every image back, as ``benchsuite data prepare`` does.

    ``loader`` is ffcv, ffcv:lossy or that of a plugin. With ``short_side`` images are stored resized by
    ``interpolation``, for views with this resize. ``out`` is the file, by default one in the cache; one that is up to
    date is kept, unless ``fresh``. ``workers`` threads decode, by default one a core. Raises a ``BenchsuiteError``.
    """
    from benchsuite.data.prefetch import cores
    from benchsuite.data.prepared_note import PreparedSpec
    from benchsuite.data.prepared_writer import prepare

    catalog, progress = surroundings(options)
    view, reader = _stored_view(short_side, interpolation), _loader(catalog, loader)
    if workers is not None and workers < 0:
        raise BadParameter(expected("--workers", "0 or more", workers))
    data = located(data, catalog)
    _, split = catalog.open_dataset(data)
    spec = PreparedSpec(reader, split, data, view, None if out is None else Path(out), fresh)
    start = time.perf_counter()
    note = prepare(spec, progress, cores() if workers is None else workers)
    record = {**{name: note[name] for name in FIELDS}, "seconds": time.perf_counter() - start}
    return PreparedData(Path(note["file"]), data, note["loader"], record)


def _stored_view(short_side: int | None, interpolation: Interpolation | None) -> View | None:
    if short_side is None:
        if interpolation is not None:
            raise BadParameter(expected("--interpolation", "given with --short-side", interpolation))
        return None
    if short_side < 1:
        raise BadParameter(expected("--short-side", "at least 1", short_side))
    return View(short_side, interpolation=interpolation or "bilinear")


def _loader(catalog: Catalog, name: str) -> Loader:
    loader: Loader = catalog.find("loader", name)
    if loader.file is None:
        able = ", ".join(known for known, other in catalog.loaders.items() if other.file is not None) or "none"
        raise BadParameter(expected("--loader", f"one that reads a prepared file ({able})", name))
    return loader
