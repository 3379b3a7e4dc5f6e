"""Tests of a run that is split over nodes: pretended ones, each with its own cache, in this process."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import crash_plugin
import pytest

from benchsuite import BadParameter, BenchsuiteError, DataError, StorageError
from benchsuite.cli import main
from benchsuite.distributed.executors import Executor
from benchsuite.distributed.places import Place
from benchsuite.evaluation.question import RunRequest
from benchsuite.progress import Progress
from benchsuite.runs.cluster import assignment, nodes
from benchsuite.runs.cluster.assignment import Computed
from benchsuite.runs.cluster.split import run_on
from benchsuite.runs.run import run
from benchsuite.specs.catalog import load_plugins
from benchsuite.storage.logit_cache import chunked

CATALOG = load_plugins(entry_points=False, extra=[crash_plugin])
IMAGES = 40
ASKED = RunRequest(
    ("speck",), ("1crop", "10crop"), data=f"specks:{IMAGES}", weights="random", device="cpu", loader="logged"
)
RAY = Place("ray")

Change = Callable[[str, Any], Any]


@dataclasses.dataclass
class Nodes:
    """Nodes that take jobs in turn. ``change(node, returned)`` may change what a node returns.

    ``jobs`` are all jobs in order, with the node; ``order`` puts what is returned in another order.
    """

    root: Path
    monkeypatch: pytest.MonkeyPatch
    names: Sequence[str] = ("one", "two")
    change: Change = lambda node, returned: returned
    jobs: list[tuple[str, Any]] = dataclasses.field(default_factory=list)
    breaks_after: int | None = None

    @contextmanager
    def opened(self, *_: Any, **__: Any) -> Iterator[Executor]:
        yield Executor(self.submit, slots=2, cores=1)

    def submit(self, shared: Any, jobs: Sequence[Any], work: Any) -> Iterator[Any]:
        for i, job in [*enumerate(jobs)][::-1]:
            if self.breaks_after is not None and len(self.jobs) >= self.breaks_after:
                raise KeyboardInterrupt
            name = self.names[len(self.jobs) % len(self.names)]
            self.jobs.append((name, job))
            with self.monkeypatch.context() as own:
                own.setenv("BENCHSUITE_CACHE", str(self.root / name / "cache"))
                own.setattr(nodes, "name", lambda name=name: name)
                own.setattr(nodes, "_MARK", ".unseen")  # as if the results folder were on another machine
                assignment._session.cache_clear()
                returned = work(shared, job)
            yield i, "running", None
            yield i, "done", self.change(name, returned)

    @property
    def computed(self) -> list[int]:
        """The numbers of the chunks that were given to nodes."""
        return sorted(c for _, job in self.jobs if job is not None for c in job.chunks)


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nodes:
    """Two nodes, and chunks of 7 images."""
    made = Nodes(tmp_path / "nodes", monkeypatch)
    monkeypatch.setattr("benchsuite.distributed.executors.opened", made.opened)
    monkeypatch.setattr(assignment, "load_plugins", lambda: CATALOG)
    for module in ("benchsuite.runs.cluster.split", "benchsuite.runs.cluster.assignment", "benchsuite.evaluator"):
        monkeypatch.setattr(f"{module}.chunked", lambda items, size: chunked(items, min(size, 7)))
    return made


def asked(results: Path, **changes: Any) -> RunRequest:
    return dataclasses.replace(ASKED, results=results, **changes)


def digests(results: Path) -> dict[str, str]:
    files = results.glob("runs/*/predictions.parquet")
    return {file.parent.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.mark.parametrize("protocols", [("1crop",), ("1crop", "10crop"), ("ensemble:protocol=1crop", "10crop")])
def test_chunks_of_two_nodes_come_to_the_bytes_of_one_process(
    tmp_path: Path, cluster: Nodes, protocols: tuple[str, ...]
) -> None:
    rows = run_on(RAY, asked(tmp_path / "split", protocols=protocols), CATALOG, Progress())
    assert {node for node, _ in cluster.jobs} == {"one", "two"}
    assert cluster.computed == list(range(6)), "each chunk once"
    own = Path(os.environ["BENCHSUITE_CACHE"])
    theirs = {p.name for p in cluster.root.rglob("*.logits")}
    assert {p.name for p in own.rglob("*.logits")} == theirs
    os.environ["BENCHSUITE_CACHE"] = str(tmp_path / "another cache")
    alone = run(asked(tmp_path / "alone", protocols=protocols), CATALOG, Progress())
    assert digests(tmp_path / "split") == digests(tmp_path / "alone")
    assert [r["top1_errors"] for r in rows] == [r["top1_errors"] for r in alone]
    manifest = json.loads((Path(rows[0]["path"]) / "manifest.json").read_text())
    assert sum(node["images"] for node in manifest["nodes"]) == IMAGES
    assert [node["name"] for node in manifest["nodes"]] == ["one", "two"]
    assert {node["device"] for node in manifest["nodes"]} == {"cpu"} == {manifest["numerics"]["device"]}
    assert manifest["images_computed"] == IMAGES
    assert "nodes" not in json.loads((Path(alone[0]["path"]) / "manifest.json").read_text())


def test_a_stopped_command_continues_with_the_chunks_that_were_returned(tmp_path: Path, cluster: Nodes) -> None:
    request = asked(tmp_path)
    cluster.breaks_after = 4  # one job opens the network, three lots of a chunk
    with pytest.raises(KeyboardInterrupt):
        run_on(RAY, request, CATALOG, Progress())
    first, cluster.breaks_after = cluster.computed, None
    cluster.jobs.clear()
    run_on(RAY, request, CATALOG, Progress())
    assert len(first) == 3
    assert sorted(first + cluster.computed) == list(range(6))
    cluster.jobs.clear()
    run_on(RAY, request, CATALOG, Progress())
    assert cluster.jobs == [], "a finished run needs no cluster"
    run_on(RAY, dataclasses.replace(request, fresh=True), CATALOG, Progress())
    assert cluster.computed == list(range(6)), "--fresh computes all again"


def test_what_nodes_have_in_their_caches_is_returned_with_the_views_of_its_batches(
    tmp_path: Path, cluster: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A view that was computed in batches with another one counts as missing without it."""
    run_on(RAY, asked(tmp_path / "before"), CATALOG, Progress())
    before = {p: p.stat().st_mtime_ns for p in cluster.root.rglob("*.logits")}
    cluster.jobs.clear()
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / "another cache"))
    (row,) = run_on(RAY, asked(tmp_path / "after", protocols=("1crop",)), CATALOG, Progress())
    assert digests(tmp_path / "after").items() <= digests(tmp_path / "before").items()
    after = {p: p.stat().st_mtime_ns for p in cluster.root.rglob("*.logits")}
    assert before.items() <= after.items()
    assert row["n"] == IMAGES


def test_a_damaged_chunk_in_the_cache_here_is_computed_again(tmp_path: Path, cluster: Nodes) -> None:
    run_on(RAY, asked(tmp_path / "before", protocols=("1crop",)), CATALOG, Progress())
    cluster.jobs.clear()
    damaged, *_ = sorted(Path(os.environ["BENCHSUITE_CACHE"]).rglob("*.logits"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"?")
    run_on(RAY, asked(tmp_path / "after", protocols=("1crop",)), CATALOG, Progress())
    assert len(cluster.computed) == 1
    assert digests(tmp_path / "after") == digests(tmp_path / "before")


def test_nodes_of_other_hardware_keep_their_own_store_and_stand_in_the_manifest(tmp_path: Path, cluster: Nodes) -> None:
    def other(node: str, found: Computed) -> Computed:
        if node == "one":
            return found
        opened = dataclasses.replace(found.opened, store="f" * 32)
        return dataclasses.replace(found, opened=opened, node={**found.node, "device": "cuda", "gpu": "a card"})

    cluster.change = other
    rows = run_on(RAY, asked(tmp_path / "split"), CATALOG, Progress())
    stores = Path(os.environ["BENCHSUITE_CACHE"], "chunks")
    assert "f" * 32 in {p.name for p in stores.iterdir()}
    assert len(list(stores.iterdir())) == 2
    manifest = json.loads((Path(rows[0]["path"]) / "manifest.json").read_text())
    assert {(n["name"], n["device"], n.get("gpu")) for n in manifest["nodes"]} == {
        ("one", "cpu", None),
        ("two", "cuda", "a card"),
    }
    assert manifest["numerics"]["device"] == "cpu+cuda"
    os.environ["BENCHSUITE_CACHE"] = str(tmp_path / "another cache")
    run(asked(tmp_path / "alone"), CATALOG, Progress())
    assert digests(tmp_path / "split") == digests(tmp_path / "alone")


def test_a_node_with_other_weights_is_refused_by_name(tmp_path: Path, cluster: Nodes) -> None:
    def other(node: str, found: Computed) -> Computed:
        return (
            found
            if node == "one"
            else dataclasses.replace(found, opened=dataclasses.replace(found.opened, digest="other"))
        )

    cluster.change = other
    with pytest.raises(BenchsuiteError, match="the weights of speck on node two to be those of node one, got others"):
        run_on(RAY, asked(tmp_path), CATALOG, Progress())


def test_other_versions_are_refused_unless_any_will_do(
    tmp_path: Path, cluster: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("torch", "pillow"):
        with monkeypatch.context() as own:
            known = tuple((name, "0.1" if name == package else version) for name, version in nodes.versions())
            own.setattr(nodes, "errand", lambda *_, known=known: nodes.Errand(tmp_path, "mark", known))
            with pytest.raises(BenchsuiteError, match=rf"node one: Expected the version of {package} to be 0.1,"):
                run_on(RAY, asked(tmp_path), CATALOG, Progress())
        cluster.jobs.clear()
    assert nodes.errand(tmp_path, Place("ray", {}, any_versions=True)).versions == ()
    assert [name for name, _ in nodes.errand(tmp_path, RAY).versions] == ["benchsuite", "torch", "pillow"]
    assert not any("+" in version for _, version in nodes.versions())


def test_a_node_without_the_images_says_so_with_its_name(
    tmp_path: Path, cluster: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(path: str | None, split: str) -> Any:
        raise DataError(f"Expected specks to be a folder, got nothing ({path})")

    fewer = [lambda path, split: crash_plugin.open_specks("39", split), missing]
    for opens, said in zip(fewer, ["those of the first machine, got others", "a folder, got nothing"], strict=True):
        other = dataclasses.replace(CATALOG.datasets["specks"], open=opens)
        there = dataclasses.replace(CATALOG, datasets={**CATALOG.datasets, "specks": other})
        monkeypatch.setattr(assignment, "load_plugins", lambda there=there: there)
        with pytest.raises(BenchsuiteError, match=f"^node .*: Expected .* to be {said}") as caught:
            run_on(RAY, asked(tmp_path), CATALOG, Progress())
        assert isinstance(caught.value, DataError) == (opens is missing), "the class is that of the error on the node"


def test_a_chunk_that_is_lost_before_the_end_is_one_line(tmp_path: Path, cluster: Nodes) -> None:
    def loses(node: str, found: Computed) -> Computed:
        for file in Path(os.environ["BENCHSUITE_CACHE"]).rglob("*.logits"):
            file.unlink()
        return found

    cluster.change = loses
    with pytest.raises(StorageError, match="Expected the cache to be unchanged until the run is over"):
        run_on(RAY, asked(tmp_path), CATALOG, Progress())


def test_auto_chooses_the_precision_on_a_node(tmp_path: Path, cluster: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchsuite.runs.auto_precision.worth_it", lambda questions: True)
    monkeypatch.setattr("benchsuite.runs.auto_precision.BOUNDS", {"bf16": 1.0})
    monkeypatch.setattr("benchsuite.models.precision.candidates", lambda device: ("bf16",))
    rows = run_on(RAY, asked(tmp_path, protocols=("1crop",)), CATALOG, Progress())
    assert cluster.jobs[0][1] is None, "the first job is the choice"
    assert [row["precision"] for row in rows] == ["bf16"]
    assert rows[0]["precision_check"][0]["precision"] == "bf16"


def test_weights_that_were_trained_here_go_to_the_nodes(
    tmp_path: Path, cluster: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the results folder, which the nodes do not see, and named by the id of the training."""
    from benchsuite.models.state_dict import save_state

    torch = pytest.importorskip("torch")
    folder = tmp_path / "training" / "mine"
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    trained = crash_plugin.build(7)
    how = {"architecture": "speck", "label": "mine"}
    save_state(folder / "last.safetensors", trained, crash_plugin.PREPROCESS, how)
    rows = run_on(RAY, asked(tmp_path, weights="mine", protocols=("1crop",)), CATALOG, Progress())
    assert rows[0]["weights"] == "mine"
    os.environ["BENCHSUITE_CACHE"] = str(tmp_path / "another cache")
    first = digests(tmp_path)
    run(asked(tmp_path, weights="mine", protocols=("1crop",), fresh=True), CATALOG, Progress())
    assert digests(tmp_path) == first


def test_finished_runs_are_networks_of_an_ensemble_on_nodes_that_do_not_see_them(
    tmp_path: Path, cluster: Nodes
) -> None:
    found = [run(asked(tmp_path, protocols=("1crop",), seed=seed), CATALOG, Progress()) for seed in (0, 1)]
    names = tuple(row["run_id"] for (row,) in found)
    request = asked(tmp_path, architectures=names, protocols=("ensemble",), weights=None, fresh=True)
    (split,) = run_on(RAY, request, CATALOG, Progress())
    assert len(cluster.computed) == 2 * 6, "the chunks of two networks"
    kept = (Path(split["path"]) / "predictions.parquet").read_bytes()
    (alone,) = run(request, CATALOG, Progress())
    assert alone["run_id"] == split["run_id"]
    assert (Path(alone["path"]) / "predictions.parquet").read_bytes() == kept


def test_what_makes_no_sense_on_a_cluster_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadParameter, match="--processes to be left to ray, got 2"):
        run_on(RAY, asked(tmp_path, processes=2), CATALOG, Progress())
    assert main(["run", "mlp", "--on", "slrum"]) == 2
    assert "Unknown place 'slrum': did you mean 'slurm'?" in capsys.readouterr().err
    for name, value in {"RANK": "0", "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(BadParameter, match="--on to be local under torchrun"):
        run_on(RAY, asked(tmp_path), CATALOG, Progress())


def test_paths_are_full_for_the_nodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "images").mkdir()
    monkeypatch.chdir(tmp_path)
    assert nodes.data_in_full("folder:images", CATALOG) == f"folder:{tmp_path / 'images'}"
    assert nodes.data_in_full("specks:40", CATALOG) == "specks:40"
    assert nodes.data_in_full("digits", CATALOG) == "digits"
