"""Tests of the hub's formats, by ``huggingface_hub``'s own classes."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import yaml
from exported_runs import PART, A, B, of_imagenet, whole
from huggingface_hub import EvalResult
from huggingface_hub.repocard import RepoCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results

from benchsuite import BadParameter, DataError, load_plugins
from benchsuite.builtin.reporters.huggingface import HUB, eval_results, model_index
from benchsuite.runs.export import finished


def card(text: str) -> list[dict[str, Any]]:
    """The model index of a model card with this front matter, as the hub's library reads it."""
    found: list[dict[str, Any]] = RepoCard(f"{text}\n# A model\n").data.to_dict()["model-index"]
    return found


def read(text: str) -> tuple[str, list[EvalResult]]:
    """The name and the results; the library must write the same index again."""
    index = card(text)
    name, results = model_index_to_eval_results(index)
    assert eval_results_to_model_index(name, results) == index
    return name, results


def test_a_model_card_has_the_accuracies_of_all_protocols_as_the_hub_reads_them(tmp_path: Path) -> None:
    runs = [whole(tmp_path, A), whole(tmp_path, B, errors=(11_000, 3_000))]
    name, results = read(model_index(runs, name="org/resnet50"))
    assert name == "org/resnet50"
    assert {(r.task_type, r.dataset_type, r.dataset_name, r.dataset_split) for r in results} == {
        ("image-classification", "imagenet-1k", "ImageNet-1k", "validation")
    }
    assert [(r.metric_name, r.metric_type, r.metric_value) for r in results] == [
        ("Top-1 accuracy (1crop)", "accuracy", 0.7613),
        ("Top-5 accuracy (1crop)", "top_5_accuracy", 0.92898),
        ("Top-1 accuracy (10crop)", "accuracy", 0.78),
        ("Top-5 accuracy (10crop)", "top_5_accuracy", 0.94),
    ]


def test_each_metric_says_how_it_was_measured(tmp_path: Path) -> None:
    run = whole(tmp_path, A)
    (first, *_) = read(model_index([run]))[1]
    args = first.metric_args
    assert (args["errors"], args["images"], args["protocol"], args["run_id"]) == (11_935, 50_000, "1crop", A)
    assert args["benchsuite"] == run.manifest["benchsuite"]
    low, high = args["interval_95"]
    assert low < first.metric_value < high
    assert low == pytest.approx(1 - run.rates[0].interval[1])


def test_accuracies_are_the_floats_next_to_the_exact_ratios(tmp_path: Path) -> None:
    for errors in (1, 7, 11_935, 49_999):
        run = whole(tmp_path, A, errors=(errors, 1))
        for scale, factor in (("fraction", 1), ("percent", 100)):
            value = read(model_index([run], scale=scale))[1][0].metric_value  # type: ignore[arg-type]
            assert value == float(Fraction(factor * (50_000 - errors), 50_000))


def test_a_part_of_the_images_is_said_in_the_name_and_is_no_entry_of_a_leaderboard(tmp_path: Path) -> None:
    run = finished(of_imagenet(tmp_path, PART))
    assert read(model_index([run]))[1][0].metric_name == "Top-1 accuracy (1crop, 80 of 50000 images)"
    with pytest.raises(DataError, match=r"Expected the images to be all 50000 of ILSVRC/imagenet-1k, .* got 80"):
        eval_results([run])


def test_every_network_has_an_entry_of_its_own_and_one_name_is_for_one_network(tmp_path: Path) -> None:
    other = {"weights": {"label": "other", "digest": "e", "file": ""}}
    runs = [whole(tmp_path, A), whole(tmp_path, B, **other)]
    assert [entry["name"] for entry in card(model_index(runs))] == ["resnet50 IMAGENET1K_V1", "resnet50 other"]
    with pytest.raises(BadParameter, match="Expected name to be given for one network, got 2"):
        model_index(runs, name="mine")
    with pytest.raises(BadParameter, match="to be those of one network"):
        eval_results(runs)


def test_a_source_is_where_the_hub_looks_for_it(tmp_path: Path) -> None:
    run = whole(tmp_path, A)
    found = read(model_index([run], source="https://example.org/runs"))[1][0]
    assert (found.source_url, found.source_name) == ("https://example.org/runs", "benchsuite 0.1.0")


@pytest.mark.parametrize(
    ("data", "named"),
    [("hf:uoft-cs/cifar10", "uoft-cs/cifar10"), ("hf:/home/me/secret", "hf"), ("cifar10-jpeg", "cifar10-jpeg")],
)
def test_other_data_sets_have_their_own_names_and_no_path_of_a_user(tmp_path: Path, data: str, named: str) -> None:
    run = finished(of_imagenet(tmp_path, A, dataset__name=data))
    assert read(model_index([run]))[1][0].dataset_type == named
    with pytest.raises(DataError, match="Expected the data set to be one of imagenet, "):
        eval_results([run])


@pytest.mark.parametrize("name", HUB)
def test_the_hubs_splits_have_as_many_images_as_benchsuites(name: str) -> None:
    census = load_plugins(entry_points=False).datasets[name].census
    assert [c.images for c in census if c.split == "test"] == [HUB[name].images]


def test_the_page_has_every_name_of_the_hub() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    for name, known in HUB.items():
        (line,) = (line for line in page.splitlines() if line.startswith("| `") and f"`{known.id}`" in line)
        assert all(f"`{word}`" in line for word in (name, known.card))
        assert line.endswith(f"| {known.split} |")


def test_the_text_is_yaml_whatever_a_name_holds(tmp_path: Path) -> None:
    for label in ("a: b # c", "yes", "- x", "é\n---\n", "'\"{}[]", "0x10", "1e5"):
        run = whole(tmp_path, A, weights={"label": label, "digest": "d", "file": ""})
        assert card(model_index([run]))[0]["name"] == f"resnet50 {label}"


def test_a_file_of_eval_results_is_what_the_hubs_library_parses(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    if not hasattr(hub, "EvalResultEntry"):
        pytest.skip("this huggingface_hub has no .eval_results")
    run = whole(tmp_path, A)
    data = yaml.safe_load(eval_results([run], task="top1", source="https://example.org/runs"))
    (entry,) = hub.parse_eval_result_entries(data)
    assert hub.eval_result_entries_to_yaml([entry]) == data
    assert (entry.dataset_id, entry.task_id, entry.value) == ("ILSVRC/imagenet-1k", "top1", 0.7613)
    assert (entry.date, entry.source_url) == ("2026-01-01T00:00:00+00:00", "https://example.org/runs")
    assert entry.notes.startswith("protocol 1crop; 11935 errors of 50000 images; 95 % interval 0.75")
    assert entry.notes.endswith(f"benchsuite 0.1.0, run {A}")


def test_changed_pictures_are_no_entry_of_a_leaderboard(tmp_path: Path) -> None:
    run = whole(tmp_path, A)
    changed = whole(tmp_path, A, views=[run.manifest["views"][0] | {"perturbation": {"name": "lowpass"}}])
    with pytest.raises(DataError, match="Expected the pictures to be unchanged"):
        eval_results([changed])
