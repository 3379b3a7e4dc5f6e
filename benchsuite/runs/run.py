"""A complete ``run``: plans the questions, finds finished runs, trains if needed, evaluates, and writes results."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from importlib import metadata
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Any

from benchsuite.data.prefetch import cores, free_memory
from benchsuite.distributed.crew import ALONE, Crew, gather
from benchsuite.errors import BenchsuiteError, StorageError
from benchsuite.evaluation.input_pipeline import HELD_BYTES
from benchsuite.evaluation.loading import open_loader
from benchsuite.evaluation.question import ImageSource, Member, Question, RunRequest, networks
from benchsuite.evaluator import Answer, OpenNetwork, Settings
from benchsuite.models.device import Compute, device_here, hardware, keep_freed_memory, pick_device
from benchsuite.progress import Progress
from benchsuite.runs import auto_precision, parallel, profile
from benchsuite.runs import manifest as run_manifest
from benchsuite.runs.plan import DEFAULT_DATA, plan
from benchsuite.specs.catalog import Catalog, load_plugins
from benchsuite.specs.preprocess import center, in_words
from benchsuite.specs.view import View, distinct
from benchsuite.storage.files import cache_dir, writing
from benchsuite.storage.keys import digest
from benchsuite.storage.locks import held
from benchsuite.storage.logit_cache import ChunkStore
from benchsuite.storage.run_folder import write_run

Work = Callable[[RunRequest, list[Question], Progress, Crew], Iterator[tuple[Answer, dict[str, Any]]]]
"""Evaluates questions of one precision; yields each answer with its manifest."""

HELD_MOST = 4 * 2**30
"""Bytes of views that wait at most for others of their shape, where a GPU computes them."""

TALLIED = 64
"""How many questions ``tally`` evaluates at once: it bounds the predictions in memory."""


def run(request: RunRequest, catalog: Catalog, progress: Progress) -> list[dict[str, Any]]:
    """Carries out a ``run`` command; returns the flat rows of ``run --json`` in the order of the questions.

    Raises a ``BenchsuiteError`` for every mistake of a user; results that were finished before are on disk.
    """
    crew = gather(request.processes, digest(repr(request)), assist, (request,))
    try:
        try:
            questions = plan(request, catalog)
        except BenchsuiteError:
            if crew.leader_stopped():  # the leader reports the same mistake, so that it is printed once
                return []
            raise
        note_data(request, questions, progress)
        if crew.leads and all(q.request.precision == "auto" for q in questions):
            questions = with_auto_precision(request, questions, progress)  # other processes receive its decision
        return answer(request, questions, progress, crew)
    finally:
        crew.stop()


def note_data(request: RunRequest, questions: Sequence[Question], progress: Progress) -> None:
    """Notes what a user should know about the data set and the precision of a command before it begins."""
    if request.data is None:
        progress.note(f"no --data: evaluating on the embedded data set {DEFAULT_DATA}")
    for line in questions[0].split.notes:
        progress.note(line)
    forced = [q.bound.label for q in questions if q.precision == "fp32"]
    if request.precision not in ("auto", "fp32") and forced:
        progress.note(f"{', '.join(forced)} in fp32, not {request.precision}: an attack needs exact gradients")


def answer(
    request: RunRequest,
    questions: Sequence[Question],
    progress: Progress,
    crew: Crew = ALONE,
    work: Work | None = None,
) -> list[dict[str, Any]]:
    """The rows of ``run`` for questions about the same samples, which were planned from ``request``.

    With several processes only the leader returns rows. The others compute their share and return an empty list.
    ``work`` evaluates questions of one precision elsewhere; by default they are evaluated here.
    """
    if not crew.leads:
        for _ in _work(request, parallel.announced(crew, questions), Progress(), crew):
            pass
        return []
    done = {} if request.fresh else finished(request.results, questions)
    todo = [q for q in questions if q.run_id not in done]
    if todo:
        _check_writable(request.results)
        for answered, manifest in chain.from_iterable(
            (work or _work)(request, same, progress, crew) for same in _by_precision(todo)
        ):
            write_run(run_manifest.folder(request.results, answered.question), manifest, answered.columns)
            done[manifest["run_id"]] = manifest
    fresh = {q.run_id for q in todo}
    return [
        run_manifest.result_row(done[q.run_id], str(run_manifest.folder(request.results, q)), q.run_id not in fresh)
        | ({"precision_check": list(q.precision_checks)} if q.precision_checks else {})
        for q in questions
    ]


def with_auto_precision(request: RunRequest, questions: Sequence[Question], progress: Progress) -> list[Question]:
    """The questions in the precision that ``--precision auto`` chooses for each network on these images."""

    def precisions() -> tuple[str, ...]:
        from benchsuite.models.precision import candidates

        return candidates(pick_device(request.device))

    def open_network(member: Member, precision: str) -> OpenNetwork:
        _check_writable(request.results)
        count = min(auto_precision.SAMPLE, len(questions[0].samples))
        progress.note(f"{member.architecture.name} in {precision} on {count} images, to choose a precision")
        train_missing(questions[0], member, request.device, progress)
        source = ImageSource(questions[0].split, auto_precision.READER)
        compute = Compute(pick_device(request.device), precision)
        return _open(source, member, (center(member.weights.preprocess),), compute, Progress())

    trial = auto_precision.Trial(request.device, open_network, precisions)
    return list(auto_precision.in_chosen_precision(questions, trial))


def _by_precision(questions: Sequence[Question]) -> list[list[Question]]:
    """Groups questions by precision: a network has only one precision in a pass."""
    return [[q for q in questions if q.precision == name] for name in dict.fromkeys(q.precision for q in questions)]


def assist(crew: Crew, request: RunRequest) -> None:
    """Computes a share of the command; called in the processes that ``--processes`` starts."""
    answer(request, plan(request, load_plugins()), Progress(), crew)


def tally(request: RunRequest, questions: Sequence[Question], progress: Progress) -> dict[str, dict[str, int]]:
    """The counts of each question, by run id. Only logits are written, no run folders.

    For many questions whose runs are not worth keeping.
    """
    counts = {run_id: dict(m["counts"]) for run_id, m in finished(request.results, questions).items()}
    todo = [q for q in questions if q.run_id not in counts]
    for start in range(0, len(todo), TALLIED):
        for answered, _ in _work(request, todo[start : start + TALLIED], progress):
            counts[answered.question.run_id] = answered.counts
    return counts


def finished(results: Path, questions: Sequence[Question]) -> dict[str, Mapping[str, Any]]:
    """The manifests of the questions that a finished run answers, by run id."""
    manifests = {q.run_id: run_manifest.answered(results, q) for q in questions}
    return {run_id: manifest for run_id, manifest in manifests.items() if manifest is not None}


@dataclass(frozen=True, slots=True)
class Pass:
    """Questions of one precision, about to be evaluated together: their loader is open, networks can be opened."""

    questions: list[Question]
    settings: Settings
    device: str
    open_network: parallel.NetworkOpener


def begin(request: RunRequest, todo: list[Question], progress: Progress, crew: Crew = ALONE) -> Pass:
    """Begins the pass over the images that answers the questions in ``todo``, of which there is at least one."""
    from benchsuite.models import precision

    device = device_here(request.device)
    todo = _with_open_loader(todo, request, progress, crew.local_size, device)
    precision.check(todo[0].precision, device)
    compute = Compute(device, todo[0].precision, request.compiled)
    keep_freed_memory()
    profile.begin(device)
    settings = Settings(
        request.batch_size or _batch_size(device, todo),
        request.workers if request.workers is not None else max(1, _workers(device) // crew.local_size),
        request.fresh,
        Lock() if device == "cpu" else nullcontext(),
        _held(device, crew.local_size),
    )
    wanted = networks(todo)
    total = len(todo[0].samples) * sum(len(views) for _, views in wanted.values())
    started: list[bool] = []

    def open_network(member: Member, views: tuple[View, ...]) -> OpenNetwork:
        train_missing(todo[0], member, request.device, progress)
        opened = _open(todo[0].images, member, views, compute, progress, on_device=_on_device(request, device))
        if settings.fresh or parallel.left(todo, opened):
            _try("BENCHSUITE_CACHE", opened.store.root)
        if not started:
            started.append(True)
            progress.start(f"evaluating {len(todo[0].samples)} images", total)
        return opened

    return Pass(todo, settings, device, open_network)


def _work(
    request: RunRequest, todo: list[Question], progress: Progress, crew: Crew = ALONE
) -> Iterator[tuple[Answer, dict[str, Any]]]:
    """Evaluates the questions in ``todo``; yields each answer with its manifest as soon as it is computed."""
    if not todo:
        return
    one = begin(request, todo, progress, crew)
    try:
        for answered in parallel.evaluate_together(
            one.questions, one.open_network, one.settings, progress.advance, crew
        ):
            shared = sharing(answered.question, one.questions)
            yield answered, run_manifest.make(answered, one.settings, one.device, shared)
    finally:
        progress.stop()


def _with_open_loader(
    todo: Sequence[Question], request: RunRequest, progress: Progress, processes: int, device: str
) -> list[Question]:
    """The questions with their loader opened for all their views and the device, in each of ``processes`` here.

    Raises a ``BenchsuiteError`` as ``open_loader`` does.
    """
    first = todo[0]
    views = distinct(tuple(v for q in todo for m in q.members for v in m.views))
    typed = request.data or first.dataset.name
    source = first.loader, first.split, first.samples, views, typed
    stays = device.startswith("cuda") and _on_device(request, device)
    loader = open_loader(*source, progress.note, processes=processes, device=device, stays=stays)
    if not loader.exact:
        progress.note(f"{loader.name} does not give the reference decoder's pixels: {loader.note}")
    return [dataclasses.replace(q, loader=loader) for q in todo]


def sharing(question: Question, questions: Sequence[Question]) -> list[str]:
    """The protocols of the other questions that have a network in common with this one."""
    own = {m.identity for m in question.members}
    others = (q for q in questions if q is not question)
    return [q.bound.label for q in others if own & {m.identity for m in q.members}]


def _open(
    source: ImageSource,
    member: Member,
    views: tuple[View, ...],
    compute: Compute,
    progress: Progress,
    *,
    on_device: bool = False,
) -> OpenNetwork:
    """Builds a network with its weights, which are trained by now, and opens the store of its chunks.

    With ``on_device``, its images are resized on its device.
    """
    from benchsuite.models import weights
    from benchsuite.models.network import open_network

    chosen, architecture = member.weights, member.architecture
    classes = len(source.split.classes)
    if chosen.label.startswith("random"):
        progress.note(f"{architecture.name} has {chosen.label} weights: its errors say nothing about a trained network")
    if architecture.code and chosen.path is None:  # for files, notes say it
        progress.note(f"{architecture.name}: {architecture.note}: {in_words(chosen.preprocess)}")
    loaded = weights.load(architecture, chosen, classes)
    for line in weights.notes(architecture, chosen, loaded.reading):
        progress.note(line)
    if compute.compiled:
        progress.note(f"compiling {architecture.name}, which takes a minute or two")
    network = open_network(architecture, loaded.module, chosen.preprocess, views, classes, compute)
    key: dict[str, Any] = {
        "architecture": architecture.name,
        "owner": member.owner,
        "state": network.digest,
        "preprocess": dataclasses.asdict(chosen.preprocess),
        "precision": compute.precision,
        **hardware(compute.device),
        "pillow": metadata.version("pillow"),  # another version may resize to other pixels
        "loader": None if source.loader.exact else source.loader.name,
    }
    if source.loader.decoder is not None:
        key["decoder"] = source.loader.decoder()
    if chosen.options:
        key["options"] = [list(option) for option in chosen.options]
    if network.folded:
        key["folded"] = network.folded
    if compute.compiled:
        key["compiled"] = True
    return OpenNetwork(
        network,
        views,
        ChunkStore(_chunks() / digest(key)[:32]),
        network.digest,
        start=network.start,
        buffer=network.buffer,
        resizer=network.resizer() if on_device else None,
        folded=network.folded,
        reading=loaded.reading.data(),
        busy=lambda: network.seconds,
        pinning=lambda: network.pinning,
    )


def train_missing(question: Question, member: Member, device: str, progress: Progress) -> None:
    """Trains the member's weights if they come from a recipe of the data set and are not on disk yet.

    ``device`` is that of ``--device``. One process trains, others wait for it.
    """
    recipe, path = member.weights.recipe, member.weights.path
    if recipe is None or path is None or path.is_file():
        return
    from benchsuite.models import weights
    from benchsuite.training import trainer

    if member.weights.transforms:
        weights.check_transforms(member.architecture, member.weights, len(question.split.classes))
    lock = path.with_suffix(".lock")
    with held(lock, wait=False) as free:
        if not free:
            progress.note(f"waiting for another process, which is training {member.architecture.name}")
    with held(lock, wait=True):
        trainer.ensure(
            member.architecture, recipe, path, lambda: question.dataset.open(None, "train"), device, progress
        )


def _batch_size(device: str, questions: list[Question]) -> int:
    """Views in a batch: 8 of 224 pixels on a CPU, 512 elsewhere; of smaller crops as many as have the same area.

    On a CPU 128 at most: larger batches of small networks no longer fit into its caches. Elsewhere 4,096: a chunk has
    512 samples, and several views of each. If they do not fit into the memory of the device, the network finds out how
    many do.
    """
    views, most = (8, 128) if device == "cpu" else (512, 4096)
    crop = min(m.weights.preprocess.crop for q in questions for m in q.members)
    return min(most, int(views * max(1.0, (224 / crop) ** 2)))


def _on_device(request: RunRequest, device: str) -> bool:
    """Whether ``--resize-on`` is the device: by default on CUDA; a CPU resizes three times as fast with Pillow."""
    return request.resize_on == "device" or (request.resize_on == "auto" and device.startswith("cuda"))


def _workers(device: str) -> int:
    """Number of decoding threads: all cores but one with a GPU, all cores on a CPU.

    On a CPU the threads take turns with the network. The network's own threads wait for each other, so interrupting
    one of them would stop them all.
    """
    return max(1, cores() - 1) if device != "cpu" else cores()


def _held(device: str, processes: int) -> int:
    """Upper bound in bytes on views that wait for others of their shape, in each of ``processes`` processes here.

    A GPU needs larger batches than a CPU, and score maps have many shapes: a quarter of the free memory, ``HELD_MOST``
    at most.
    """
    if not device.startswith("cuda"):
        return HELD_BYTES
    return max(HELD_BYTES, min(HELD_MOST, free_memory() // (4 * processes)))


def _check_writable(results: Path) -> None:
    """Raises ``StorageError`` if the results, or an empty cache, cannot be written, before any work is done.

    Another cache may hold all that is needed; it is tried when a network is opened whose chunks it lacks.
    """
    _try("--results or BENCHSUITE_RESULTS", results / "runs")
    if not _chunks().is_dir() or not any(_chunks().iterdir()):
        _try("BENCHSUITE_CACHE", _chunks())


def _chunks() -> Path:
    return cache_dir() / "chunks"


def _try(named_by: str, folder: Path) -> None:
    """Writes a file to a folder and removes it. Raises ``StorageError`` with what names another folder."""
    try:
        with writing(folder / ".writable") as part:
            part.touch()
        (folder / ".writable").unlink(missing_ok=True)
    except StorageError as error:
        raise StorageError(f"{error} ({named_by} names another folder)") from None
