"""``benchsuite.explain(run, frequency=True)``: which spatial frequencies a network uses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.shown import Section, Shown
from benchsuite.errors import BadParameter, expected
from benchsuite.evaluation.preprocessing import of_manifest
from benchsuite.evaluation.question import RunRequest
from benchsuite.explanation.frequency import analysis, summary
from benchsuite.explanation.frequency import explain as explaining
from benchsuite.explanation.frequency import plan as planning
from benchsuite.explanation.frequency.analysis import FrequencyAnalysis
from benchsuite.explanation.frequency.plan import FrequencyPlan
from benchsuite.progress import Progress
from benchsuite.report.tables.text import Table
from benchsuite.specs.catalog import Catalog
from benchsuite.stats.digits import decimals, percent, with_interval
from benchsuite.stats.radial_energy import RadialEnergy
from benchsuite.storage import run_folder

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, repr=False)
class FrequencyExplanation(Shown):
    """Accuracies on low-pass and high-pass pictures, and energies by frequency; ``files`` are those written.

    With ``every`` the energies by radius and all other facts are shown too.
    """

    found: FrequencyAnalysis
    files: tuple[Path, ...]
    results: Path
    every: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``explain --frequency --json``."""
        return {**analysis.flat(self.found), "files": [str(path) for path in self.files]}

    @property
    def table(self) -> pd.DataFrame:
        """One row for each radius: images right on low-pass and on high-pass pictures, and the accuracies."""
        import pandas as pd

        return pd.json_normalize(self.record["curve"], sep="_")

    @property
    def energies(self) -> pd.DataFrame:
        """The share of each energy within each radius, from 0 to 1: a column each, the index is the radius."""
        import pandas as pd

        known = self.found.measurement.energies
        return pd.DataFrame({name: list(energy.within) for name, energy in known}).rename_axis("radius")

    def lines(self) -> Sequence[str]:
        """The answer; below the accuracies that of the pictures as they are, where the energies lie, and the files.

        With ``every`` also the attack, the first kernels and the preprocessing.
        """
        files = f"written to {' and '.join(map(str, self.files))}"
        first = [summary.answer(self.found), self.clean()]
        if self.every:
            return [*first, *self.facts(), f"{files}; the runs are in {self.results / 'runs'}"]
        half = f"half of the energy {summary.energies(self.found)}"
        left_out = [summary.attacked(self.found)] if self.found.attack is None else []
        return [*first, *left_out, half, files, "energy by radius, attack, first layer, preprocessing: --all"]

    def clean(self) -> str:
        """The accuracy without a change, and on what it is."""
        found = self.found
        images = f"{found.n:,}{'' if found.n == found.of else f' of {found.of:,}'} images"
        accuracy = summary.percentage(found.accuracy(found.clean_right))
        return f"{accuracy} as they are ({found.architecture}, {found.weights}, {found.protocol}, {images})"

    def cells(self) -> Table:
        """A line for each radius: the accuracies there, and how many images are right on the high-pass one alone."""
        headers = ["r", "low-pass %", "high-pass %", "wrong on low, right on high", "by chance"]
        rows = []
        for at in self.found.curve:
            low, high = (with_interval(self.found.accuracy(run.right)) for run in (at.low, at.high))
            row = [str(at.radius), low, high, str(at.swapped), decimals(at.by_chance, 1)]
            rows.append([*row, percent(self.found.accuracy(at.high.frequent_n))] if self.every else row)
        return [*headers, *(["most frequent answer, high-pass %"] if self.every else [])], rows

    def below(self) -> Sequence[Shown]:
        """With ``every`` the energies within each radius."""
        return [Section(self.energy_title(), self.energy_cells())] if self.every else []

    def energy_title(self) -> str:
        """What ``energy_cells`` are, and within which radius half of each energy lies."""
        images = self.found.measurement.n
        return f"energy within r in % (standard error), {images} images; half {summary.energies(self.found)}"

    def energy_cells(self) -> Table:
        """A line for each radius: the share of each energy within it."""
        known = self.found.measurement.energies
        rows = [[str(at.radius), *(_within(energy, at.radius) for _, energy in known)] for at in self.found.curve]
        return ["r", *(name for name, _ in known)], rows

    def facts(self) -> list[str]:
        """The accuracy under the attack, the frequencies of the first kernels if any, and the preprocessing."""
        kernels, manifest = self.found.measurement.kernels, run_folder.read_manifest(self._folder)
        prepared = [] if manifest is None else [f"preprocessing: {text}" for text in of_manifest(manifest)]
        if kernels is None:
            return [summary.attacked(self.found), *prepared]
        half = f"{kernels.energy.half() / (kernels.side / 2):.2f}"
        first = f"first layer ({kernels.layer}, {kernels.count} kernels): half of the energy within {half} of Nyquist"
        return [summary.attacked(self.found), first, *prepared]

    @property
    def _folder(self) -> Path:
        """The folder of the clean run."""
        return self.results / "runs" / self.found.run_id


@dataclass(frozen=True, slots=True, repr=False)
class PlannedFrequency(Shown):
    """The runs of a frequency analysis, and what they cost."""

    plan: FrequencyPlan
    catalog: Catalog

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``explain --frequency --plan --json``."""
        return planning.flat(self.plan)

    @property
    def table(self) -> pd.DataFrame:
        """One row for each run."""
        import pandas as pd

        return pd.DataFrame(self.record["runs"])

    def lines(self) -> Sequence[str]:
        """What the runs cost."""
        data = self.record
        finished = sum(run["finished"] for run in data["runs"])
        left_out = f"; no attack and no gradient: {data['left_out']}" if data["left_out"] else ""
        return [
            f"{len(data['runs'])} runs, {finished} of them finished already; {data['views']} views of {data['images']} "
            f"images in one pass; energies on {data['measured']} images{left_out}"
        ]

    def cells(self) -> Table:
        """A line for each run."""
        runs = self.record["runs"]
        rows = [[r["protocol"], f"{r['images']} images", "finished" if r["finished"] else ""] for r in runs]
        return ["protocol", "images", ""], rows

    def measure(
        self, progress: Progress, html: str | Path | None = None, *, every: bool = False
    ) -> FrequencyExplanation:
        """Runs what is not finished yet. ``html`` is the file of a page with plots and pictures."""
        found, file = explaining.explain(self.plan, progress)
        results = self.plan.clean.request.results
        if html is None:
            return FrequencyExplanation(found, (file,), results, every)
        from benchsuite.report.build import build_frequency

        title = summary.question(found.architecture)
        for note in build_frequency(results, found.run_ids, Path(html), title, self.catalog):
            progress.note(note)
        return FrequencyExplanation(found, (file, Path(html)), results, every)


def plan_frequency(
    names: Sequence[str], request: RunRequest, catalog: Catalog, radii: Sequence[int] | str | None, radius: object
) -> PlannedFrequency:
    """The analysis of a run, or of a network with the options of ``request``. Else raises ``BadParameter``.

    ``radii`` and ``radius`` are numbers, or the text that a user types.
    """
    if len(names) != 1:
        raise BadParameter(expected("explain --frequency", "used with one run or one network", " ".join(names)))
    typed = radii if radii is None or isinstance(radii, str) else ",".join(map(str, radii))
    every = None if typed is None else planning.parse_radii(typed)
    one = None if radius is None else planning.parse_radius(str(radius), "--radius")
    return PlannedFrequency(planning.make_plan(request, names[0], catalog, every, one), catalog)


def _within(energy: RadialEnergy, radius: int) -> str:
    """The share within a radius in percent, with its standard error: ``97.31 (0.12)``."""
    at = min(radius, len(energy.within) - 1)
    return f"{100 * energy.within[at]:.2f} ({100 * energy.within_error[at]:.2f})"
