"""From names to questions: everything about a run, and its id, is known before any work begins."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.errors import BadParameter, DataError, UnsupportedProtocol, expected, is_utf8, no_score_map
from benchsuite.evaluation.question import TOLERANCE, Member, Question, RunRequest
from benchsuite.models.weights import ChosenWeights, transformed
from benchsuite.runs.preprocessing import choose_prepared
from benchsuite.specs import parameters
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.catalog import Catalog
from benchsuite.specs.dataset import Dataset, Split, spread
from benchsuite.specs.loader import Loader
from benchsuite.specs.parameters import Bound
from benchsuite.specs.view import view_data
from benchsuite.storage import keys
from benchsuite.storage.data_places import located
from benchsuite.storage.run_folder import find_run, read_manifest

DEFAULT_DATA = "digits"


def plan(request: RunRequest, catalog: Catalog) -> list[Question]:
    """The questions of a command: for each architecture its protocols, then the ensembles; nothing is added.

    An attack is computed in float32, and so is the same protocol without it. With ``--precision auto`` all questions
    of the command are then in float32.

    Raises a ``BenchsuiteError`` for any name, parameter, folder or file that does not fit, before any network is built.
    """
    _check(request)
    request = dataclasses.replace(request, transforms=tuple(catalog.transform(t).name for t in request.transforms))
    bounds = [catalog.protocol(text) for text in request.protocols]
    exact = {q.label for b in bounds if (clean := parameters.attacked(b)) for q in (b, clean)}
    if exact and request.precision == "auto":
        request = dataclasses.replace(request, precision="fp32")
    loader = catalog.loader(request.loader)
    recalled = [_recall(name, request, catalog) for name in request.architectures]
    request = dataclasses.replace(request, data=request.data and located(request.data, catalog))
    data = _one_dataset(request.data, [r.data and located(r.data, catalog) for r in recalled if r])
    dataset, split = catalog.open_dataset(data)
    if len(split.classes) < 2:
        rule = "at least 2, because with one every answer is right"
        raise DataError(expected(f"the number of classes of {split.name}", rule, f"1, {split.classes[0]}", data))
    chosen = []
    for name, r in zip(request.architectures, recalled, strict=True):
        architecture = catalog.architecture(r.architecture if r else name)
        asked = r or request  # what a finished run was asked, or this one
        wanted = choose_prepared(architecture, dataset, asked.weights, asked.seed, request.results, asked.preprocess)
        chosen.append((architecture, _transformed(wanted, asked.transforms, catalog), r))
    questions = []

    def question(members: tuple[Member, ...], bound: Bound) -> Question:
        own = dataclasses.replace(request, precision="fp32") if bound.label in exact else request
        return _question(own, members, bound, dataset, split, loader)

    for bound in (b for b in bounds if b.inner is None):
        if any(r for _, _, r in chosen):
            raise BadParameter(expected("a run as an architecture", "a member of -p ensemble", bound.label))
    for architecture, weights, _ in chosen:
        for bound in bounds:
            if bound.inner is None:
                member = _member(architecture, weights, bound, split, catalog)
                questions.append(question((member,), bound))
    for bound in bounds:
        if bound.inner is not None:
            members = tuple(
                _member(a, w, catalog.protocol(r.protocol) if r else bound.inner, split, catalog) for a, w, r in chosen
            )
            questions.append(question(members, bound))
    return questions


def under(question: Question, request: RunRequest, protocol: str, catalog: Catalog) -> Question:
    """The same network and dataset with another protocol, and the loader and precision of ``request``.

    The dataset is not opened again. Raises a ``BenchsuiteError`` if the protocol does not fit, and if the protocol or
    the question is of several networks.
    """
    bound, loader = catalog.protocol(protocol), catalog.loader(request.loader)
    if bound.inner is not None or len(question.members) > 1:
        raise BadParameter(expected("the question", "of one network", f"{bound.label} of {question.architecture}"))
    (member,) = question.members
    again = _member(member.architecture, member.weights, bound, question.split, catalog)
    request = dataclasses.replace(request, protocols=(protocol,))
    return _question(request, (again,), bound, question.dataset, question.split, loader)


@dataclass(frozen=True, slots=True)
class _RecalledRun:
    """What a finished run evaluated, to be repeated as a member of an ensemble."""

    architecture: str
    weights: str | None
    protocol: str
    data: str | None
    seed: int
    transforms: tuple[str, ...]
    preprocess: str | None


def _recall(name: str, request: RunRequest, catalog: Catalog) -> _RecalledRun | None:
    """The run that ``name`` names: a folder with a manifest, or an id in the results folder. None for other names."""
    declared = name in catalog.architectures or ":" in name
    is_run = (request.results / "runs" / name / "manifest.json").is_file() or Path(name, "manifest.json").is_file()
    if declared or not is_run:
        return None
    manifest = read_manifest(find_run(request.results, name))
    if manifest is None or len(manifest["members"]) != 1:
        raise BadParameter(expected("a run in an ensemble", "complete and of one network", name))
    member, options = manifest["members"][0], manifest["asked"]
    return _RecalledRun(
        member["architecture"],
        options["weights"],
        manifest["protocol"]["label"],
        options["data"],
        options["seed"],
        tuple(options.get("transforms", ())),
        options.get("preprocess"),
    )


def _transformed(chosen: ChosenWeights, transforms: Sequence[str], catalog: Catalog) -> ChosenWeights:
    bound = [catalog.transform(text) for text in transforms]
    return transformed(chosen, bound, [catalog.owner("transform", t.name) for t in bound])


def _one_dataset(given: str | None, recalled: Sequence[str | None]) -> str:
    names = {d or DEFAULT_DATA for d in recalled} | ({given} if given else set())
    if len(names) > 1:
        raise BadParameter(expected("the members of an ensemble", "evaluated on one data set", " and ".join(names)))
    return names.pop() if names else DEFAULT_DATA


def _member(architecture: Architecture, weights: ChosenWeights, bound: Bound, split: Split, catalog: Catalog) -> Member:
    views = parameters.views(bound, weights.preprocess, split.mirror)
    if any(v.dense for v in views) and (architecture.dense is None or architecture.input.fixed):
        raise no_score_map(architecture.name, weights.preprocess.crop, "its input size is fixed")
    if split.among and any(v.dense and v.spatial == "prob" for v in views):
        got = f"prob, whose softmax would be over all {len(split.classes)} classes"
        rule = f"mean, gap or avgmax on {split.name}"
        raise UnsupportedProtocol(expected(f"spatial of {bound.label}", rule, got))
    if weights.declared is not None and weights.declared.classes != len(split.classes):
        rule = f"{weights.declared.classes}, that of {architecture.name} with {weights.label}"
        line = expected(f"the number of classes of {split.name}", rule, len(split.classes))
        wordnet = all(re.fullmatch(r"n\d{8}", name) for name in split.classes)
        hint = ". The classes have WordNet names: --data imagenet:PATH gives them ImageNet's numbers" if wordnet else ""
        raise DataError(line + hint)
    owner = catalog.maker(architecture)
    return Member(architecture, owner, weights, views, bound.combine)


def _question(
    request: RunRequest, members: tuple[Member, ...], bound: Bound, dataset: Dataset, split: Split, loader: Loader
) -> Question:
    samples = spread(split.samples, request.limit)
    attack = any(v.attacked for m in members for v in m.views)
    precision = "fp32" if attack or request.precision == "auto" else request.precision
    data_digest = keys.samples_digest(samples)
    identity = {
        "scores": keys.SCORES,
        "members": [_identity(m) for m in members],
        "protocol": bound.label,
        "combine": dataclasses.asdict(bound.combine),
        "dataset": split.name,
        "data": data_digest,
        "precision": precision,
        "device": request.device,
        "loader": None if loader.exact else loader.name,
        **({"among": list(split.among)} if split.among else {}),
        **({"alike": [list(same) for same in split.alike]} if split.alike else {}),
        **({"groups": keys.groups_digest(samples, split.groups)} if split.groups else {}),
    }
    name = "+".join(m.architecture.name for m in members)
    return Question(
        request=request,
        run_id=keys.run_id(name, bound.label, split.name, identity),
        members=members,
        bound=bound,
        dataset=dataset,
        split=split,
        samples=samples,
        loader=loader,
        precision=precision,
        fingerprint=keys.fingerprint(samples),
        data_digest=data_digest,
        identity=identity,
    )


def _identity(member: Member) -> dict[str, Any]:
    """What a run's id depends on, of one member."""
    return {
        "architecture": member.architecture.name,
        "owner": member.owner,
        "weights": member.weights.key,
        "preprocess": dataclasses.asdict(member.weights.preprocess),
        "views": [view_data(v) for v in member.views],
        "combine": dataclasses.asdict(member.combine),
    }


def _check(request: RunRequest) -> None:
    if request.precision not in ("auto", *TOLERANCE):
        raise BadParameter(expected("--precision", f"one of auto, {', '.join(TOLERANCE)}", request.precision))
    if request.resize_on not in ("auto", "host", "device"):
        raise BadParameter(expected("--resize-on", "one of auto, host, device", request.resize_on))
    counts = ("--batch-size", request.batch_size), ("--limit", request.limit), ("--processes", request.processes)
    for option, value in counts:
        if value is not None and value < 1:
            raise BadParameter(expected(option, "at least 1", value))
    named = ("--data", request.data), ("--weights", request.weights), ("--results", str(request.results))
    for option, text in named:
        if text is not None and not is_utf8(text):
            raise BadParameter(expected(option, "UTF-8, as manifests are", ascii(text)))
    if request.workers is not None and request.workers < 0:
        raise BadParameter(expected("--workers", "0 or more", request.workers))
    for what, names in (("architecture", request.architectures), ("protocol", request.protocols)):
        if len(set(names)) != len(names):
            twice = next(n for n in names if names.count(n) > 1)
            raise BadParameter(expected(f"each {what}", "named once", f"{twice} twice"))
