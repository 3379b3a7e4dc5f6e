"""Plans a frequency analysis: its radii and its runs. Nothing is run here."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.errors import BadParameter, expected
from benchsuite.evaluation.question import Question, RunRequest, networks
from benchsuite.explanation import ladder_ends
from benchsuite.runs import manifest
from benchsuite.runs.plan import plan, under
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import Sample, spread
from benchsuite.specs.parameters import nested
from benchsuite.specs.preprocess import center
from benchsuite.specs.view import View
from benchsuite.storage import run_folder

RADII, RADIUS, SIDE = (4, 8, 12, 16, 20, 24, 28), 12, 32
"""The article's radii and the radius of its pictures, and the side in pixels of the images that they are for."""

ATTACKED = 500
"""At most this many evenly spaced images are attacked."""

MEASURED, LARGE = 100, 64
"""At most this many of these have their energies measured if a crop has a larger side than ``LARGE`` pixels.

Smaller crops are all measured. The standard errors of 100 images are small, and an attack on a large one takes seconds.
"""


@dataclass(frozen=True, slots=True)
class FilteredQuestions:
    """The questions on low-pass and high-pass pictures at one radius."""

    radius: int
    low: Question
    high: Question


@dataclass(frozen=True, slots=True)
class FrequencyPlan:
    """The questions of an analysis. ``view`` is the crop that is measured; it is the view ``at`` of the protocol.

    ``attacked`` are the questions on the attacked images: the clean one, and the one under the attack. The second is
    None if the protocol cannot be attacked, for the reason ``left_out``. ``measured`` are those of these images whose
    energies are measured.
    """

    clean: Question
    filtered: tuple[FilteredQuestions, ...]
    radius: int
    side: int
    view: View
    at: int
    attacked: tuple[Question, Question | None]
    left_out: str
    measured: tuple[Sample, ...]

    @property
    def in_one_pass(self) -> list[Question]:
        """The questions that read all images once: the clean one, and those on filtered pictures."""
        return [self.clean, *(q for step in self.filtered for q in (step.low, step.high))]

    @property
    def under_attack(self) -> list[Question]:
        """The questions on the attacked images; none if nothing is attacked."""
        clean, attack = self.attacked
        return [] if attack is None else [clean, attack]

    @property
    def attacked_view(self) -> View | None:
        """The measured view under the attack; None if nothing is attacked."""
        attack = self.attacked[1]
        return None if attack is None else attack.members[0].views[self.at]


def make_plan(
    request: RunRequest, name: str, catalog: Catalog, radii: Sequence[int] | None = None, radius: int | None = None
) -> FrequencyPlan:
    """The plan for a finished run, or for an architecture with the options of ``request``, then under ``1crop``.

    The results folder is the one that holds the run. By default ``radii`` and ``radius`` are those of the article, in
    proportion to the side of the crop. Raises ``BadParameter`` for a run of several networks and one whose pixels are
    changed, and any ``BenchsuiteError`` that repeating the run raises, such as ``DataError`` if its data are gone.
    """
    clean = _clean(request, name, catalog)
    at, view = _typical(clean)
    side = view.crop.size if view.crop else clean.members[0].weights.preprocess.crop
    chosen = scaled(RADIUS, side) if radius is None else radius
    wanted = sorted({*(radii or (scaled(r, side) for r in RADII)), chosen})

    def filtered(kind: str, r: int) -> Question:
        return under(clean, clean.request, f"{kind}:r={r},of={nested(clean.bound.label)}", catalog)

    steps = tuple(FilteredQuestions(r, filtered("lowpass", r), filtered("highpass", r)) for r in wanted)
    attacked, left_out = _attacked(clean, catalog)
    samples = attacked[0].samples
    measured = spread(samples, MEASURED) if side > LARGE else samples
    return FrequencyPlan(clean, steps, chosen, side, view, at, attacked, left_out, measured)


def scaled(radius: int, side: int) -> int:
    """A radius of the article for pictures of another side, in proportion, rounded half up."""
    return (2 * radius * side + SIDE) // (2 * SIDE)


def parse_radius(text: str, option: str) -> int:
    """A radius as a user types it. Raises ``BadParameter`` unless it is a whole number of 0 or more."""
    if not text.strip().isdecimal():
        raise BadParameter(expected(option, "whole numbers of waves per side, 0 or more", text or "nothing"))
    return int(text)


def parse_radii(text: str) -> tuple[int, ...]:
    """``4,8,12`` as numbers. Raises ``BadParameter`` unless each is a whole number of 0 or more, and given once."""
    radii = tuple(parse_radius(part, "--radii") for part in text.split(","))
    twice = next((r for r in radii if radii.count(r) > 1), None)
    if twice is not None:
        raise BadParameter(expected("--radii", "different numbers", f"{twice} twice", text))
    return radii


def is_architecture(name: str, catalog: Catalog) -> bool:
    """Whether a name is that of an architecture, which may be the beginning of the id of its runs, and not of a run."""
    return name in catalog.architectures or (":" in name and not Path(name, "manifest.json").is_file())


def _clean(request: RunRequest, name: str, catalog: Catalog) -> Question:
    if is_architecture(name, catalog):
        (question,) = plan(dataclasses.replace(request, architectures=(name,), protocols=("1crop",)), catalog)
        return question
    folder = run_folder.find_run(request.results, name)
    stored = run_folder.read_whole_manifest(folder)
    if len(stored["members"]) != 1:
        got = f"{stored['architecture']['name']} under {stored['protocol']['label']}"
        raise BadParameter(expected("the run of explain --frequency", "of one network", got, name))
    if any(view.get("perturbation") for view in stored["views"]):
        rule = "under a protocol that does not change pixels"
        raise BadParameter(expected("the run of explain --frequency", rule, stored["protocol"]["label"], name))
    results = folder.parent.parent if folder.parent.name == "runs" else request.results
    return ladder_ends.of_run(dataclasses.replace(request, results=results), str(folder), catalog).question


def _typical(question: Question) -> tuple[int, View]:
    """The view that is measured and drawn, and its index: the first centre crop, else the first crop.

    For a protocol without crops it is the one centre crop that the weights were published with.
    """
    (member,) = question.members
    crops = [(i, view) for i, view in enumerate(member.views) if not view.dense and view.crop is not None]
    central = [(i, v) for i, v in crops if v.crop and v.crop.fractions == (0.5, 0.5) and not any(v.crop.shift)]
    unmirrored = [(i, view) for i, view in central if not view.flip]
    return next(iter([*unmirrored, *central, *crops]), (0, center(member.weights.preprocess)))


def _attacked(clean: Question, catalog: Catalog) -> tuple[tuple[Question, Question | None], str]:
    """The clean question and the one under the attack on the attacked images, in float32; and why there is none."""
    limit = ATTACKED if len(clean.samples) > ATTACKED else clean.request.limit
    request = dataclasses.replace(clean.request, limit=limit, precision="fp32")
    label = clean.bound.label
    same = under(clean, request, label, catalog)
    if any(view.dense or view.crop is None for view in clean.members[0].views):
        return (same, None), f"{label} shows whole images to the network, and only crops are attacked"
    return (same, under(clean, request, f"pgd:of={nested(label)}", catalog)), ""


def flat(planned: FrequencyPlan) -> dict[str, Any]:
    """A plan as one object for JSON, with the command of each run and whether it is finished."""
    every = [*planned.in_one_pass, *(q for q in planned.under_attack if q.run_id != planned.clean.run_id)]
    results = planned.clean.request.results
    runs = [
        {
            "run_id": q.run_id,
            "protocol": q.bound.label,
            "images": len(q.samples),
            "finished": manifest.answered(results, q) is not None,
            "command": manifest.command(q),
        }
        for q in every
    ]
    todo = [q for q, run in zip(planned.in_one_pass, runs, strict=False) if not run["finished"]]
    views = sum(len(distinct_views) for _, distinct_views in networks(todo).values())
    return {
        "runs": runs,
        "radii": [step.radius for step in planned.filtered],
        "radius": planned.radius,
        "images": len(planned.clean.samples),
        "views": views,
        "measured": len(planned.measured),
        "left_out": planned.left_out,
    }
