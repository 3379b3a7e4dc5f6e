"""Runs ``data check``: opens a data set, examines every sample, runs a network if given, and returns the findings."""

from __future__ import annotations

import dataclasses
import os
import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.data.places import archive_state
from benchsuite.doctor import admission, changes, class_order, folder_survey, inspection, jpeg_warnings
from benchsuite.doctor.findings import (
    PUBLISHED_MD5,
    counts,
    duplicates,
    ignored,
    lossy,
    misplaced,
    number_order,
    oddities,
    published_archive,
    readable,
    reassessed,
    sizes,
    synset_order,
    verdict,
    warned,
)
from benchsuite.doctor.inspection import Examined
from benchsuite.doctor.kinds import Finding, found
from benchsuite.errors import BadParameter, BenchsuiteError, DataError, expected
from benchsuite.evaluation.question import Question
from benchsuite.evaluation.question import RunRequest as Run
from benchsuite.models import weights
from benchsuite.progress import Progress
from benchsuite.runs.plan import plan
from benchsuite.runs.run import answer
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import Dataset, Sample, Split, SplitName, spread
from benchsuite.storage import keys, run_folder
from benchsuite.storage.data_places import located
from benchsuite.storage.files import cache_dir
from benchsuite.storage.keys import samples_digest

DECODED = 1000
"""Images that are fully decoded without ``--full``, evenly spaced in the split."""
CROP = 224
"""The crop in pixels that images should not be smaller than, if neither network nor data set declares one."""
SHOWN = 2000
"""Images that are shown to a network without ``--images``."""


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """The arguments of ``data check``. ``shown`` is the number of images that are shown to the network."""

    data: str
    split: SplitName = "test"
    full: bool = False
    model: str | None = None
    weights: str | None = None
    shown: int | None = None
    device: str | None = None
    results: Path = Path("results")


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of a check. ``failure`` is the error with which the data set could not be opened, else empty."""

    data: str
    split: str
    name: str
    findings: tuple[Finding, ...]
    n: int = 0
    classes: int = 0
    decoded: int = 0
    digest: str = ""
    pixels_digest: str = ""
    failure: str = ""

    @property
    def exit_status(self) -> int:
        """0: fine; 1: a check failed; 2: the data set could not be opened."""
        return 2 if self.failure else int(any(f.level == "failed" for f in self.findings))


def checkup(request: CheckRequest, catalog: Catalog, progress: Progress) -> CheckResult:
    """Checks a data set, and notes the outcome if it was added (``data add``).

    Raises a ``BenchsuiteError`` for wrong arguments, for weights that cannot be had, and for a data set that cannot be
    opened and whose path is not a folder.
    """
    _check(request)
    request = dataclasses.replace(request, data=located(request.data, catalog))
    result, split = _checked(request, catalog, progress)
    if request.split == "test":
        try:
            admission.remember_check(request.data, split, fine=result.exit_status == 0, full=request.full)
        except BenchsuiteError as error:
            progress.note(f"the outcome is not noted: {error}")
    return result


def _checked(request: CheckRequest, catalog: Catalog, progress: Progress) -> tuple[CheckResult, Split | None]:
    """The result, and the split if it could be opened."""
    name, _, path = request.data.partition(":")
    dataset: Dataset = catalog.find("dataset", name)
    root = Path(path.partition(",")[0]).expanduser() if path else None
    progress.note(f"opening {request.data}")
    try:
        dataset, split = catalog.open_dataset(request.data, request.split)
    except DataError as error:
        if root is None or not root.is_dir():
            raise
        findings = folder_survey.survey_findings(dataset.name, root, request.split, str(error), catalog, progress)
        return CheckResult(request.data, request.split, dataset.name, findings, failure=str(error)), None
    question = _question(request)
    questions = plan(question, catalog) if question else []
    _get_weights(questions, progress)
    examination = _examine(request, split, progress)
    judged, broken = None, any(e.error for e in examination.seen)
    if question and broken:
        progress.note(f"{request.model} is not run: some images cannot be read")
    elif question:
        (row,) = answer(question, questions, progress)
        judged = _judge(request, split, Path(row["path"]))
    own = dataset.preprocess.crop if dataset.preprocess else CROP
    crop = questions[0].members[0].weights.preprocess.crop if questions else own
    result = _result(request, dataset, split, examination, crop, judged)
    if len(split.classes) < 2 and root is not None and root.is_dir():
        others = folder_survey.other_copies(dataset.name, root, request.split, catalog)
        result = dataclasses.replace(result, findings=(*result.findings, *others))
    return result, split


def flat(result: CheckResult) -> dict[str, Any]:
    """The object of ``data check --json``."""
    data = dataclasses.asdict(result)
    findings = [{**f, "examples": list(f["examples"])} for f in data.pop("findings")]
    failure = data.pop("failure")
    opened = {"opened": not failure, "fine": result.exit_status == 0, "verdict": conclusion(result)}
    return {**data, **opened, "findings": findings}


def conclusion(result: CheckResult) -> str:
    """The verdict in one sentence."""
    return "The data set cannot be opened." if result.failure else verdict(result.findings)


@dataclass(frozen=True, slots=True)
class _Examination:
    """What was found about each of ``samples`` (``seen``), the groups of those with the same bytes (``copies``), what
    ``--full`` alone finds, and what has changed since the last check.
    """

    samples: tuple[Sample, ...]
    seen: list[Examined]
    copies: list[tuple[Sample, ...]]
    full: list[Finding]
    changed: list[Finding]

    @property
    def decoded(self) -> int:
        """How many samples were decoded."""
        return sum(bool(e.pixels) for e in self.seen)

    @property
    def pixels_digest(self) -> str:
        """A digest of ids, labels and pixels, if every sample was decoded; else empty."""
        if self.decoded < len(self.samples):
            return ""
        lines = (f"{s.id} {s.label} {e.pixels}" for s, e in zip(self.samples, self.seen, strict=True))
        return keys.digest_lines(lines)

    def same_pixels(self) -> list[Finding]:
        """Images whose pixels are equal although their bytes differ; nothing unless every sample was decoded."""
        if self.decoded < len(self.samples):
            return []
        same_bytes = {s.id for group in self.copies for s in group}
        groups = inspection.groups(self.samples, [e.pixels for e in self.seen])
        return duplicates("pixels but different bytes", [g for g in groups if not {s.id for s in g} <= same_bytes])


def _examine(request: CheckRequest, split: Split, progress: Progress) -> _Examination:
    """Reads the headers of all images, decodes some or all of them, and compares files of equal size."""
    samples = split.samples
    chosen = {s.id for s in (samples if request.full else spread(samples, DECODED))}
    try:
        asked = request.full and jpeg_warnings.available()
        seen = inspection.examine_all(split, chosen, progress.start, progress.advance, warnings=asked)
        progress.start("comparing files of equal size", len(samples))
        copies = inspection.same_bytes(samples, progress.advance)
        full = [*warned(samples, seen, asked=asked), *_archives(samples, progress)] if request.full else []
        return _Examination(samples, seen, copies, full, _changed(request, samples, progress))
    finally:
        progress.stop()


def _changed(request: CheckRequest, samples: tuple[Sample, ...], progress: Progress) -> list[Finding]:
    """What has changed since the last check; keeps the states for the next one."""
    progress.start("comparing with the last check", len(samples))
    file = changes.place(request.data, request.split)
    now = changes.states_now(samples, progress.advance, full=request.full)
    findings, kept = changes.changes(changes.read(file), now)
    changes.write(file, kept)
    return findings


def _archives(samples: tuple[Sample, ...], progress: Progress) -> list[Finding]:
    """Findings on the archives of the images whose MD5 is published."""
    files = {s.place.file for s in samples if s.place is not None}
    findings: list[Finding] = []
    for file in sorted(f for f in files if posixpath.basename(f.replace(os.sep, "/")) in PUBLISHED_MD5):
        name = posixpath.basename(file.replace(os.sep, "/"))
        progress.start(f"reading {name} for its MD5", int(archive_state(file).partition("@")[0]))
        findings += published_archive(name, inspection.md5(file, progress.advance))
    return findings


def _result(
    request: CheckRequest,
    dataset: Dataset,
    split: Split,
    examination: _Examination,
    crop: int,
    judged: class_order.ClassOrder | None,
) -> CheckResult:
    """The result of a check: what was examined, as findings."""
    samples, seen = examination.samples, examination.seen
    census = next((c for c in dataset.census if c.split == request.split), None)
    findings = [
        *(found("opened-as", line=line) for line in split.notes),
        *counts(samples, split.classes, census),
        *misplaced(samples),
        *reassessed(samples, split.classes, census),
        *ignored(inspection.other_files(samples)),
        *readable(samples, seen),
        *examination.full,
        *examination.changed,
        *sizes(samples, seen, census, crop),
        *lossy(seen, census),
        *oddities(samples, seen, split.conversion),
        *duplicates("bytes", examination.copies),
        *examination.same_pixels(),
        *synset_order(samples),
        *number_order(samples),
        *class_order.order(judged, request.model or "", split.classes),
    ]
    return CheckResult(
        request.data,
        request.split,
        split.name,
        tuple(findings),
        len(samples),
        len({s.label for s in samples}),
        examination.decoded,
        samples_digest(samples),
        examination.pixels_digest,
    )


def _question(request: CheckRequest) -> Run | None:
    """The run of the network, None without ``--model``; its predictions go to the user's cache, not to the results."""
    if request.model is None:
        return None
    training = request.results / "training" / str(request.weights) / "last.safetensors"
    chosen = str(training) if training.is_file() else request.weights
    kept = cache_dir() / "checkups"
    device, limit = request.device or "auto", request.shown or SHOWN
    return Run((request.model,), ("1crop",), request.data, chosen, device=device, limit=limit, results=kept)


def _get_weights(questions: list[Question], progress: Progress) -> None:
    """Gets the weights first, so that an error is raised before minutes are spent on the images."""
    for member in (m for q in questions for m in q.members if m.weights.declared is not None):
        progress.note(f"getting the weights of {member.architecture.name}")
        weights.build(member.architecture, member.weights, len(questions[0].split.classes))


def _judge(request: CheckRequest, split: Split, run: Path) -> class_order.ClassOrder:
    """Judges the order of the classes from the predictions of a run; also tries the order of a development kit that is
    in the folder of the images or its parent.
    """
    columns = run_folder.read_columns(run, ("label", "top5"))
    orders = class_order.usual_mistakes(split.classes)
    folder = Path(request.data.partition(":")[2].partition(",")[0]).expanduser()
    orders |= {n: o for n, o in class_order.devkit_order(folder).items() if len(o) == len(split.classes)}
    return class_order.judge(columns["label"], columns["top5"][:, 0], orders, len(split.classes))


def _check(request: CheckRequest) -> None:
    if request.shown is not None and request.shown < 1:
        raise BadParameter(expected("--images", "at least 1", request.shown))
    if request.model is None and request.weights is not None:
        raise BadParameter(expected("--weights", "used with --model", "no model"))
    for option, value in (("--images", request.shown), ("--device", request.device)):
        if request.model is None and value is not None:
            raise BadParameter(expected(option, "used with --model", "no model"))
    if request.model is not None and request.split != "test":
        raise BadParameter(expected("--model", "used with --split test", request.split))
