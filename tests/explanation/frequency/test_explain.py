"""Tests of a frequency analysis: its counts against the predictions, what it measures, what is read from disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from reference import radial_energy as slow
from wave_pictures import CATALOG, N, asked, images, state

from benchsuite.explanation.frequency import analysis, measurement
from benchsuite.explanation.frequency.analysis import FrequencyAnalysis
from benchsuite.explanation.frequency.explain import explain
from benchsuite.explanation.frequency.plan import make_plan
from benchsuite.explanation.frequency.summary import answer, article, attacked, energies
from benchsuite.models.device import Compute
from benchsuite.models.network import Network
from benchsuite.progress import Progress
from benchsuite.runs.run import run

RADII = (1, 3, 5)


def explained(results: Path, name: str = "waves", **fields: Any) -> tuple[FrequencyAnalysis, Path]:
    request = asked(results, **fields)
    return explain(make_plan(request, name, CATALOG, RADII, 3), Progress())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[FrequencyAnalysis, Path]:
    """An analysis, and the results folder that it is in."""
    results = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BENCHSUITE_CACHE", str(tmp_path_factory.mktemp("cache")))
        found, _ = explained(results)
    return found, results


def rows(results: Path, run_id: str) -> list[dict[str, Any]]:
    """The predictions of a run, a plain dictionary for each image."""
    table = pd.read_parquet(results / "runs" / run_id / "predictions.parquet")
    return [dict(row) for _, row in table.iterrows()]


def test_every_count_is_that_of_a_loop_over_the_predictions(made: tuple[FrequencyAnalysis, Path]) -> None:
    found, results = made
    clean = rows(results, found.run_id)
    assert found.n == len(clean) == N
    assert found.clean_right == sum(row["rank"] == 0 for row in clean)
    for at in found.curve:
        low, high = (rows(results, one.run_id) for one in (at.low, at.high))
        swapped = swapped_right = 0
        for c, a, b in zip(clean, low, high, strict=True):
            assert c["id"] == a["id"] == b["id"]
            if a["rank"] > 0 and b["rank"] == 0:
                swapped += 1
                swapped_right += c["rank"] == 0
        assert (at.swapped, at.swapped_right) == (swapped, swapped_right)
        for one, predicted in ((at.low, low), (at.high, high)):
            fixed = sum(c["rank"] > 0 and p["rank"] == 0 for c, p in zip(clean, predicted, strict=True))
            broken = sum(c["rank"] == 0 and p["rank"] > 0 for c, p in zip(clean, predicted, strict=True))
            answers = [p["top5"][0] for p in predicted]
            assert (one.fixed, one.broken) == (fixed, broken)
            assert one.right == found.clean_right + fixed - broken
            assert one.frequent_n == answers.count(one.frequent) == max(answers.count(k) for k in (0, 1))
        assert float(at.by_chance) == pytest.approx((1 - at.low.right / N) * (at.high.right / N) * N)
    assert [at.radius for at in found.curve] == list(RADII)


def test_some_images_change_so_that_the_counts_above_mean_something(made: tuple[FrequencyAnalysis, Path]) -> None:
    found, _ = made
    assert 0 < found.clean_right < N
    assert any(at.swapped for at in found.curve)
    assert any(at.low.broken for at in found.curve)


def test_the_triples_are_the_most_certain_of_the_images_that_only_the_high_pass_picture_gets_right(
    made: tuple[FrequencyAnalysis, Path],
) -> None:
    found, results = made
    at = found.at_radius
    whole = [rows(results, run_id) for run_id in (found.run_id, at.low.run_id, at.high.run_id)]
    wanted = [
        (c["id"], high["probability_true"])
        for c, low, high in zip(*whole, strict=True)
        if c["rank"] == 0 and low["rank"] > 0 and high["rank"] == 0
    ]
    wanted.sort(key=lambda pair: -pair[1])
    assert [t.id for t in found.triples] == [name for name, _ in wanted]
    assert len(found.triples) == at.swapped_right > 0
    by_id = {row["id"]: row for row in whole[2]}
    for triple in found.triples:
        assert triple.high.label == triple.label == triple.original.label != triple.low.label
        assert triple.high.probability == by_id[triple.id]["probability5"][0]


def test_the_attack_is_a_run_beside_the_clean_one_on_the_same_images(made: tuple[FrequencyAnalysis, Path]) -> None:
    found, results = made
    assert found.attack is not None
    assert found.attack.clean_run_id == found.run_id, "there are few images, so all of them are attacked"
    assert found.attack.right == sum(row["rank"] == 0 for row in rows(results, found.attack.run_id))
    assert found.attack.right < found.attack.clean_right
    assert found.attack.protocol == "pgd:eps=8/255"


def test_the_gradients_energy_is_that_of_one_image_at_a_time(made: tuple[FrequencyAnalysis, Path]) -> None:
    found, _ = made
    pixels, labels = images()
    weights = state()
    shares, plain = [], []
    for name in sorted(pixels):
        unit = pixels[name].transpose(2, 0, 1).astype(np.float32) / 255
        x = torch.tensor(unit[None], requires_grad=True)
        y = torch.nn.functional.conv2d((x - 0.4) / 0.25, weights["stem.weight"], weights["stem.bias"])
        logits = torch.relu(y).square().mean((2, 3)) @ weights["head.weight"].T + weights["head.bias"]
        torch.nn.functional.cross_entropy(logits, torch.tensor([labels[name]])).backward()
        assert x.grad is not None
        energy = np.array(slow.ring_energy(x.grad[0].double().numpy()))
        shares.append(energy / energy.sum())
        centred = np.array(slow.ring_energy(unit - unit.mean(axis=(1, 2), keepdims=True)))
        plain.append(centred / centred.sum())
    measured = found.measurement
    assert measured.gradient is not None
    assert measured.pictures is not None
    assert measured.gradient.n == measured.pictures.n == measured.n == N
    assert measured.gradient.share == pytest.approx(np.mean(shares, axis=0), abs=1e-4)
    assert measured.pictures.share == pytest.approx(np.mean(plain, axis=0), abs=1e-9)
    assert measured.vanished == 0


def test_the_attacks_energy_is_that_of_attacked_minus_original_pixels(made: tuple[FrequencyAnalysis, Path]) -> None:
    from benchsuite.protocols._attacks import pgd_reference

    found, results = made
    plan = make_plan(asked(results), "waves", CATALOG, RADII, 3)
    assert plan.attacked_view is not None
    perturbation = plan.attacked_view.perturbation
    assert perturbation is not None
    from benchsuite.models.perturbed_batch import PerturbedImage

    pixels, labels = images()
    weights = {name: tensor.double() for name, tensor in state().items()}
    shares = []
    for name in sorted(pixels):

        def gradient(picture: Any, name: str = name) -> Any:
            x = torch.tensor(picture.transpose(2, 0, 1)[None], requires_grad=True)
            y = torch.nn.functional.conv2d((x - 0.4) / 0.25, weights["stem.weight"], weights["stem.bias"])
            logits = torch.relu(y).square().mean((2, 3)) @ weights["head.weight"].T + weights["head.bias"]
            torch.nn.functional.cross_entropy(logits, torch.tensor([labels[name]])).backward()
            assert x.grad is not None
            return x.grad[0].numpy().transpose(1, 2, 0)

        unit = pixels[name].astype(np.float64) / 255
        moved = pgd_reference(unit, PerturbedImage(name, labels[name], gradient), **perturbation.keywords) - unit
        energy = np.array(slow.ring_energy(moved.transpose(2, 0, 1)))
        shares.append(energy / energy.sum())
    assert found.measurement.attack is not None
    assert found.measurement.attack.share == pytest.approx(np.mean(shares, axis=0), abs=0.01)


def test_the_kernels_are_those_of_the_convolution_that_is_executed_first(made: tuple[FrequencyAnalysis, Path]) -> None:
    found, results = made
    kernels = found.measurement.kernels
    assert kernels is not None
    assert (kernels.layer, kernels.count, kernels.side) == ("stem", 8, 32)
    wanted = state()["stem.weight"].numpy()
    assert np.array_equal(np.array(kernels.weights, dtype=np.float32), wanted)
    other, _ = explained(results, weights="bgr")
    assert other.measurement.kernels is not None
    assert np.array_equal(np.array(other.measurement.kernels.weights, dtype=np.float32), wanted[:, ::-1])


def test_the_file_holds_the_same_value_and_is_written_whole(made: tuple[FrequencyAnalysis, Path]) -> None:
    found, results = made
    file = analysis.path(results, found.run_id)
    assert analysis.read(file) == found
    assert [path.name for path in file.parent.iterdir()] == ["frequency.json"]
    again = dataclasses.replace(found, radius=1, left_out='"quoted" \u2028 ü', attack=None)
    analysis.write(file.parent / "other.json", again)
    assert analysis.read(file.parent / "other.json") == again
    (file.parent / "other.json").unlink()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"revision": 1, "run_id": 3}', "null"])
def test_a_file_of_something_else_is_an_error_and_an_old_one_is_none(tmp_path: Path, text: str) -> None:
    from benchsuite import DataError

    assert analysis.read(tmp_path / "frequency.json") is None
    (tmp_path / "frequency.json").write_text('{"revision": 0}')
    assert analysis.read(tmp_path / "frequency.json") is None
    (tmp_path / "frequency.json").write_text(text)
    with pytest.raises(DataError, match=r"frequency\.json"):
        analysis.read(tmp_path / "frequency.json")


def test_a_second_call_answers_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, file = explained(tmp_path)
    written = file.stat().st_mtime_ns

    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("nothing is computed again")

    monkeypatch.setattr(Network, "__init__", never)
    monkeypatch.setattr("benchsuite.explanation.frequency.explain._counted", never)
    assert explained(tmp_path) == (first, file)
    assert file.stat().st_mtime_ns == written


def test_other_radii_are_counted_anew_but_nothing_is_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = explained(tmp_path)

    def never(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("nothing is measured again")

    monkeypatch.setattr(measurement, "measure", never)
    plan = make_plan(asked(tmp_path), "waves", CATALOG, (2, 3), 2)
    second, _ = explain(plan, Progress())
    assert [at.radius for at in second.curve] == [2, 3]
    assert second.radius == 2
    assert second.measurement == first.measurement
    assert second.made_from != first.made_from


def test_a_file_that_is_damaged_is_made_again(tmp_path: Path) -> None:
    first, file = explained(tmp_path)
    file.write_text("{")
    assert explained(tmp_path) == (first, file)
    assert analysis.read(file) == first


def test_a_network_without_a_gradient_is_filtered_and_the_rest_is_left_out_with_the_reason(tmp_path: Path) -> None:
    found, _ = explained(tmp_path, "blocked")
    assert found.attack is None
    assert "has a gradient with respect to its pixels" in found.left_out
    assert found.measurement.gradient is None
    assert found.measurement.attack is None
    assert found.measurement.pictures is not None
    assert attacked(found).startswith("No attack and no gradient: Expected the network under an attack")
    assert [name for name, _ in found.measurement.energies] == ["pictures"]


def test_gradients_that_vanish_are_counted_and_said(tmp_path: Path) -> None:
    found, _ = explained(tmp_path, "plain")
    assert found.measurement.vanished == N
    assert found.measurement.gradient is None
    assert f"The gradient of {N} images is zero everywhere" in attacked(found)
    assert found.measurement.kernels is None, "its convolutions are not executed"


def test_a_run_of_whole_images_has_pictures_and_kernels_only(tmp_path: Path) -> None:
    (row,) = run(asked(tmp_path, "fullconv"), CATALOG, Progress())
    found, _ = explained(tmp_path, row["run_id"])
    assert found.protocol == "fullconv"
    assert found.attack is None
    assert found.measurement.gradient is None
    assert found.measurement.pictures is not None
    assert found.measurement.kernels is not None
    assert found.curve[0].low.protocol == "lowpass:r=1,of=fullconv"


def test_an_image_that_is_mirrored_on_its_way_is_measured_mirrored(tmp_path: Path) -> None:
    network = Network(CATALOG.architecture("waves").build(2), asked_preprocess(), Compute("cpu"), {})
    pixels = np.stack([image for _, image in sorted(images()[0].items())][:3])
    with torch.no_grad():
        straight, _ = network.differentiable(pixels, np.zeros(3, dtype=bool), ())
        mirrored, _ = network.differentiable(pixels, np.ones(3, dtype=bool), ())
    assert torch.equal(straight.flip(3), mirrored)
    assert float(straight.max()) <= 1


def asked_preprocess() -> Any:
    from wave_pictures import PREPROCESS

    return PREPROCESS


def test_the_sentences_say_the_counts_and_the_articles_is_unverified(made: tuple[FrequencyAnalysis, Path]) -> None:
    found, _ = made
    at = found.at_radius
    words = answer(found)
    assert words.startswith(f"{at.swapped} of {N} images (")
    assert "(r=3)" in words
    assert article() in words
    assert article() == (
        "The article reports about 600 of 10,000 images of CIFAR-10, with another network (unverified) "
        "[hfc-fig2-count]."
    )
    assert found.measurement.gradient is not None
    assert f"r={found.measurement.gradient.half()} for input gradient" in energies(found)
