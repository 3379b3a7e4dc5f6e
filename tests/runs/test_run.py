"""Tests of a whole run in one process: cached results, fresh runs, manifests, storage errors."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from recorded_progress import RecordedProgress
from toy_evaluation import CATALOG
from toys import TOP1_ERRORS

from benchsuite import BadParameter, BenchsuiteError, StorageError, UnsupportedProtocol, WeightsError
from benchsuite.evaluation.question import RunRequest
from benchsuite.progress import Progress
from benchsuite.runs.run import run
from benchsuite.specs.parameters import finder, with_clean

FIND = finder(CATALOG.protocols)


def toy(results: Path, *protocols: str, **fields: Any) -> RunRequest:
    defaults: dict[str, Any] = {"data": "toy", "device": "cpu", "results": results}
    return RunRequest(("toy",), protocols or ("1crop",), **{**defaults, **fields})


def test_counts_and_rows_of_a_run(tmp_path: Path) -> None:
    progress = RecordedProgress()
    rows = run(toy(tmp_path, "1crop", "10crop", "fullconv"), CATALOG, progress)
    assert {r["protocol"]: r["top1_errors"] for r in rows} == {
        p: TOP1_ERRORS[p] for p in ("1crop", "10crop", "fullconv")
    }
    assert all(r["n"] == 5 and not r["cached"] and r["limit"] is None for r in rows)
    assert [r["views"] for r in rows] == [1, 10, 2]
    assert progress.done == 5 * 12


def test_asking_twice_answers_from_disk_and_fresh_does_it_again(tmp_path: Path) -> None:
    (first,) = run(toy(tmp_path), CATALOG, Progress())
    progress = RecordedProgress()
    (second,) = run(toy(tmp_path), CATALOG, progress)
    assert second["cached"]
    assert progress.done == 0
    assert {k: v for k, v in second.items() if k != "cached"} == {k: v for k, v in first.items() if k != "cached"}
    progress = RecordedProgress()
    (third,) = run(toy(tmp_path, fresh=True), CATALOG, progress)
    assert not third["cached"]
    assert progress.done == 5


def test_manifest_and_predictions_are_whole(tmp_path: Path) -> None:
    (row,) = run(toy(tmp_path, "10crop", limit=4), CATALOG, Progress())
    folder = Path(row["path"])
    manifest = json.loads((folder / "manifest.json").read_text())
    for key in ("asked", "weights", "views", "protocol", "dataset", "numerics", "seconds", "versions", "hardware"):
        assert manifest[key], key
    assert len(manifest["weights"]["digest"]) == 64
    assert manifest["versions"]["torch"]
    assert manifest["dataset"]["n"] == 4
    assert manifest["dataset"]["of"] == 5
    frame = pd.read_parquet(folder / "predictions.parquet")
    assert list(frame["id"]) == sorted(set(frame["id"]))
    assert int((frame["rank"] >= 1).sum()) == row["top1_errors"]


def test_ensemble_of_finished_runs(tmp_path: Path) -> None:
    (row,) = run(toy(tmp_path, "10crop"), CATALOG, Progress())
    request = RunRequest((row["run_id"],), ("ensemble",), device="cpu", results=tmp_path)
    (both,) = run(request, CATALOG, Progress())
    assert both["top1_errors"] == row["top1_errors"]
    assert both["views"] == 10
    with pytest.raises(BadParameter, match="ensemble"):
        run(RunRequest((row["run_id"],), ("1crop",), results=tmp_path), CATALOG, Progress())


REDDER_ERRORS = 1
"""Errors of ``1crop`` on the toy images if the logit of red is doubled: see ``toys``."""


def test_a_run_with_changed_weights_is_another_run_with_its_own_logits(tmp_path: Path) -> None:
    (plain,) = run(toy(tmp_path), CATALOG, Progress())
    progress = RecordedProgress()
    (changed,) = run(toy(tmp_path, transforms=("redder",)), CATALOG, progress)
    assert (plain["top1_errors"], changed["top1_errors"]) == (TOP1_ERRORS["1crop"], REDDER_ERRORS)
    assert (changed["cached"], progress.done, changed["weights"]) == (False, 5, "identity, redder:by=2")
    (again,) = run(toy(tmp_path, transforms=("redder:by=2",)), CATALOG, Progress())
    assert again["cached"]
    assert again["run_id"] == changed["run_id"] != plain["run_id"]
    (back,) = run(toy(tmp_path), CATALOG, Progress())
    assert (back["cached"], back["run_id"]) == (True, plain["run_id"])


def manifest_of(row: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(row["path"], "manifest.json").read_text())
    return found


def test_a_manifest_names_the_transforms_only_where_there_are_any(tmp_path: Path) -> None:
    (plain,) = run(toy(tmp_path), CATALOG, Progress())
    (changed,) = run(toy(tmp_path, transforms=("redder", "redder:by=3")), CATALOG, Progress())
    before, after = manifest_of(plain), manifest_of(changed)
    assert "transform" not in json.dumps(before)
    assert after["asked"]["transforms"] == ["redder:by=2", "redder:by=3"]
    assert after["weights"]["label"] == "identity, redder:by=2, redder:by=3"
    assert after["members"][0]["weights"]["key"] != before["members"][0]["weights"]["key"]
    assert after["weights"]["digest"] != before["weights"]["digest"]
    assert after["command"].endswith("--transform redder:by=2 --transform redder:by=3")
    assert before["command"] == "benchsuite run toy -p 1crop --data toy"


def repeat(command: str, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs a command line; its result is printed as JSON."""
    from benchsuite.cli import main

    monkeypatch.setattr("benchsuite.cli.run.load_plugins", lambda: CATALOG)
    words = [*shlex.split(command)[1:], "--device", "cpu", "--results", str(results), "--json"]
    assert main(words) == 0


def test_the_command_of_a_manifest_repeats_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (plain,) = run(toy(tmp_path), CATALOG, Progress())
    (changed,) = run(toy(tmp_path, transforms=("redder",)), CATALOG, Progress())
    both = RunRequest((plain["run_id"], changed["run_id"]), ("ensemble",), device="cpu", results=tmp_path)
    (ensemble,) = run(both, CATALOG, Progress())
    for row in (plain, changed, ensemble):
        repeat(manifest_of(row)["command"], tmp_path, monkeypatch)
        (again,) = json.loads(capsys.readouterr().out)["runs"]
        assert (again["run_id"], again["cached"]) == (row["run_id"], True)


def test_a_recalled_run_has_its_transforms_and_no_others(tmp_path: Path) -> None:
    """Logits of d: (0.4, 0.6), and (1.2, 0.6) with three times as much red, so their mean is a hit."""
    (plain,) = run(toy(tmp_path), CATALOG, Progress())
    (changed,) = run(toy(tmp_path, transforms=("redder:by=3",)), CATALOG, Progress())
    names = plain["run_id"], changed["run_id"]
    request = RunRequest(names, ("ensemble:merge=logit",), device="cpu", results=tmp_path)
    (both,) = run(request, CATALOG, Progress())
    assert both["weights"] == "identity+identity, redder:by=3"
    assert both["top1_errors"] == REDDER_ERRORS
    members = manifest_of(both)["members"]
    assert [m["weights"]["key"] for m in members] == [
        manifest_of(row)["members"][0]["weights"]["key"] for row in (plain, changed)
    ]


def test_a_recalled_run_with_random_weights_has_its_seed(tmp_path: Path) -> None:
    rows = [run(toy(tmp_path, weights="random", seed=seed), CATALOG, Progress())[0] for seed in (0, 4)]
    request = RunRequest(tuple(row["run_id"] for row in rows), ("ensemble",), device="cpu", results=tmp_path)
    (both,) = run(request, CATALOG, Progress())
    assert both["weights"] == "random (seed 0)+random (seed 4)"
    assert manifest_of(both)["weights"]["digest"] == "+".join(manifest_of(row)["weights"]["digest"] for row in rows)


def test_a_transform_that_does_not_fit_is_refused_before_a_training(tmp_path: Path) -> None:
    class Told(Progress):
        def note(self, text: str) -> None:
            assert "no --data" in text, f"work began: {text}"

    request = RunRequest(("pnn",), ("1crop",), device="cpu", results=tmp_path, transforms=("smooth",))
    with pytest.raises(WeightsError, match=r"got 1x1, which have no neighbours \[pnn, --transform smooth:rho=1\]"):
        run(request, CATALOG, Told())


def test_a_precision_is_decided_for_the_changed_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchsuite.runs.auto_precision.worth_it", lambda _: True)
    monkeypatch.setattr("benchsuite.models.precision.candidates", lambda _: ("bf16",))
    notes = []
    for transforms in ((), (), ("redder",), ("redder",)):
        progress = RecordedProgress()
        run(toy(tmp_path, precision="auto", transforms=transforms), CATALOG, progress)
        notes.append(sum("to choose a precision" in note for note in progress.notes))
    assert notes == [2, 0, 2, 0]


def test_random_weights_are_said_out_loud(tmp_path: Path) -> None:
    progress = RecordedProgress()
    run(toy(tmp_path, weights="random"), CATALOG, progress)
    assert any("random" in note for note in progress.notes)


def test_a_network_that_is_compiled_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiling takes a minute or two without any other message."""
    monkeypatch.setattr("torch.compile", lambda module, **_: module)
    progress = RecordedProgress()
    run(toy(tmp_path, compiled=True), CATALOG, progress)
    assert progress.notes == ["compiling toy, which takes a minute or two"]


def test_a_check_of_precisions_is_said_to_be_on_as_many_images_as_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchsuite.runs.auto_precision.worth_it", lambda _: True)
    monkeypatch.setattr("benchsuite.models.precision.candidates", lambda _: ("bf16",))
    progress = RecordedProgress()
    run(toy(tmp_path, precision="auto"), CATALOG, progress)
    assert progress.notes == [f"toy in {name} on 5 images, to choose a precision" for name in ("fp32", "bf16")]


def test_dense_protocol_on_a_network_without_score_map_is_refused_before_any_image(tmp_path: Path) -> None:
    request = RunRequest(("timm:vit_tiny_patch16_224",), ("fullconv",), data="digits", weights="random", device="cpu")
    with pytest.raises(UnsupportedProtocol, match="Use 1crop"):
        run(request, CATALOG, Progress())


def test_a_dense_protocol_on_a_network_of_fixed_size_is_refused_before_it_is_trained(tmp_path: Path) -> None:
    class Told(Progress):
        def note(self, text: str) -> None:
            pytest.fail(f"work began: {text}")

    request = RunRequest(("pnn",), ("multiscale",), data="digits", device="cpu", results=tmp_path)
    with pytest.raises(UnsupportedProtocol, match=r"its input size is fixed\. Use 1crop"):
        run(request, CATALOG, Told())


def test_results_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file where the folder should be")
    with pytest.raises(StorageError, match="runs") as raised:
        run(toy(tmp_path), CATALOG, Progress())
    assert "\n" not in str(raised.value)


def test_full_disk_loses_nothing_that_was_finished(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Path.write_text

    def full(self: Path, *args: Any, **kwargs: Any) -> int:
        if "manifest" in self.name:
            raise OSError(28, os.strerror(28), str(self))
        return real(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(StorageError, match="No space left"):
            run(toy(tmp_path), CATALOG, Progress())
    assert not list(tmp_path.glob("runs/*/manifest.json"))
    progress = RecordedProgress()
    (row,) = run(toy(tmp_path), CATALOG, progress)
    assert row["top1_errors"] == TOP1_ERRORS["1crop"]
    assert row["images_per_second"] is None, "the chunks of the first try are used"


def test_device_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BenchsuiteError, match="--device"):
        run(toy(tmp_path, device="nothing"), CATALOG, Progress())


def test_logits_of_other_hardware_or_libraries_are_not_taken_for_those_of_this_run(
    tmp_path: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def caches(name: str) -> int:
        """How many caches of logits exist after a run into a results folder of its own."""
        run(toy(tmp_path / name), CATALOG, Progress())
        return len(list((isolated / "cache" / "chunks").iterdir()))

    assert [caches("first"), caches("again")] == [1, 1]
    monkeypatch.setattr("benchsuite.runs.run.hardware", lambda device: {"device": device, "torch": "99"})
    assert [caches("other torch"), caches("again")] == [2, 2]
    monkeypatch.setattr("benchsuite.runs.run.metadata.version", lambda package: "99")
    assert caches("other Pillow") == 3


def test_errors_under_an_attack_are_those_computed_by_hand(tmp_path: Path) -> None:
    """FGSM lowers the mean of the true colour by eps and raises the other, where pixels stay within 0 and 1.

    Image e has neither colour, so the wrong one wins at once; a and b hold until eps exceeds 1/2.
    """
    attacks = ["fgsm:eps=0.1", "fgsm:eps=0.4", "fgsm:eps=0.6"]
    rows = run(toy(tmp_path, *with_clean(attacks, FIND)), CATALOG, Progress())
    assert {r["protocol"]: r["top1_errors"] for r in rows} == {
        "1crop": 2,
        "fgsm:eps=0.1": 3,
        "fgsm:eps=0.4": 3,
        "fgsm:eps=0.6": 5,
    }
    assert [r.get("vanished") for r in rows] == [None, 0, 0, 0]
    predictions = pd.read_parquet(Path(rows[1]["path"]) / "predictions.parquet")
    assert predictions.vanished.tolist() == [False] * 5


def test_the_mean_colour_alone_gives_the_errors_of_the_whole_crop(tmp_path: Path) -> None:
    rows = run(toy(tmp_path, "1crop", "lowpass:r=0", "lowpass:r=0,of=10crop", "10crop"), CATALOG, Progress())
    assert [r["top1_errors"] for r in rows] == [TOP1_ERRORS[p] for p in ("1crop", "1crop", "10crop", "10crop")]


def test_a_lower_precision_is_not_used_for_an_attack_and_that_is_said(tmp_path: Path) -> None:
    progress = RecordedProgress()
    rows = run(toy(tmp_path, *with_clean(["fgsm", "10crop"], FIND), precision="bf16"), CATALOG, progress)
    assert [(r["protocol"], r["precision"]) for r in rows] == [
        *(("1crop", "fp32"), ("fgsm:eps=8/255", "fp32"), ("10crop", "bf16")),
    ]
    assert any("1crop, fgsm:eps=8/255 in fp32, not bf16" in note for note in progress.notes)


def test_what_was_done_to_a_file_of_weights_is_said_and_kept(tmp_path: Path) -> None:
    """A plain file adds nothing to the manifest; a wrapped one and its chosen part give runs of their own."""
    import colour_patches
    import torch

    state = colour_patches.load(40.0)
    torch.save(state, tmp_path / "plain.pth")
    torch.save({"model": state, "model_ema": colour_patches.load(80.0)}, tmp_path / "both.pth")
    progress = RecordedProgress()

    def done(weights: str) -> dict[str, Any]:
        request = RunRequest(("patches",), ("1crop",), data="patches", weights=weights, results=tmp_path, device="cpu")
        (row,) = run(request, colour_patches.CATALOG, progress)
        manifest: dict[str, Any] = json.loads((Path(row["path"]) / "manifest.json").read_text())
        told = [m["weights"]["reading"] for m in manifest["members"] if "reading" in m["weights"]]
        assert row.get("reading", []) == told
        return manifest

    plain = done(str(tmp_path / "plain.pth"))
    assert "reading" not in plain["members"][0]["weights"]
    with pytest.raises(WeightsError, match="different tensors in model and model_ema"):
        done(str(tmp_path / "both.pth"))
    chosen = [done(f"{tmp_path}/both.pth,key={key}") for key in ("model", "model_ema")]
    assert len({m["run_id"] for m in (plain, *chosen)}) == 3
    assert chosen[0]["weights"]["digest"] == plain["weights"]["digest"] != chosen[1]["weights"]["digest"]
    assert chosen[1]["weights"]["label"] == "both.pth, key=model_ema"
    assert chosen[1]["members"][0]["weights"]["reading"] == {"taken_from": "model_ema", "other": ["model"]}
    assert "both.pth, key=model_ema: taken from model_ema; others are in model" in progress.notes
    assert f"--weights {tmp_path}/both.pth,key=model_ema" in chosen[1]["command"]
