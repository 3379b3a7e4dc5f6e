"""Tests of ``benchsuite show``: protocols with their views, architectures, published numbers and runs."""

import argparse
import dataclasses
import json
import re

import numpy as np
import pytest
from finished_runs import manifest
from toys import PREPROCESS, ToyPlugin

from benchsuite import Architecture, Preprocess, Weights, hookimpl
from benchsuite.api.catalog import facts as _facts
from benchsuite.cli import show
from benchsuite.errors import BadParameter, StorageError, UnknownName
from benchsuite.explanation import ledger
from benchsuite.specs.catalog import load_plugins
from benchsuite.storage import run_folder

MEAN = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def weights(name, resize, crop, interpolation="bilinear"):
    return Weights(name, dict, Preprocess(resize, crop, interpolation, **MEAN), 1000, f"where {name} comes from")


class Networks:
    """Networks with names from the ledger, without the built-in plugins."""

    __name__ = "networks"

    @hookimpl
    def benchsuite_architectures(self):
        first = weights("IMAGENET1K_V1", 256, 224)
        declared = (first, weights("IMAGENET1K_V2", 232, 224), weights("timm.a1_in1k", 288, 288, "bicubic"))
        return [
            Architecture("net50", build=int, preprocess=first.preprocess, weights=declared, note="Fifty layers."),
            Architecture("bare", build=int, preprocess=PREPROCESS, dense=None),
        ]


@pytest.fixture
def catalog():
    return load_plugins(entry_points=False, extra=[ToyPlugin(), Networks()])


@pytest.fixture
def run(monkeypatch, capsys, catalog, tmp_path):
    """``run("10crop")``: all of it in words; with ``json_=True`` the object, with ``all_=False`` what matters most."""
    monkeypatch.setattr(show, "load_plugins", lambda: catalog)
    monkeypatch.setenv("COLUMNS", "300")

    def call(*words, json_=False, all_=True):
        parser = argparse.ArgumentParser()
        parser.add_argument("--json", action="store_true")
        show.add_arguments(parser)
        extra = ["--json"] if json_ else ["--all"] if all_ else []
        assert show.run(parser.parse_args(["--results", str(tmp_path), *words, *extra])) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return json.loads(out) if json_ else out

    return call


def test_the_boxes_of_ten_crops_are_those_of_torchvision():
    import torch
    from benchsuite.protocols import ten_crop
    from torchvision.transforms import functional

    made = ten_crop.ten_crops(Preprocess(256, 224, "bilinear", **MEAN))
    # 500 x 375 with the shorter side at 256 is int(256 * 500 / 375) = 341 wide; each pixel holds its row and column.
    places = torch.from_numpy(np.mgrid[:256, :341])
    for view, crop in zip(made, functional.ten_crop(places, 224), strict=True):
        facts = _facts.view_facts(view)
        left, top, right, bottom = facts["box"]
        assert facts["resized"] == [341, 256]
        assert [int(crop[0].min()), int(crop[0].max())] == [top, bottom - 1]
        assert [int(crop[1].min()), int(crop[1].max())] == [left, right - 1]


def test_a_transform_shows_its_parameters(run):
    text = run("redder:by=5")
    assert text.splitlines() == [
        "redder:by=5 (transform, from toys (extra 1))",
        "  A larger logit of red.",
        "  source  None: a toy.",
        "parameters",
        "  by  5  whole number (default: 2)",
    ]
    found = run("smooth", json_=True)
    assert (found["kind"], found["name"], found["label"]) == ("transform", "smooth", "smooth:rho=1")
    assert found["parameters"] == [{"name": "rho", "type": "number or fraction", "default": "1", "value": "1"}]


def test_a_transform_that_is_misspelt_or_given_something_else_is_refused(run):
    with pytest.raises(UnknownName, match="did you mean 'smooth'"):
        run("smoth")
    with pytest.raises(BadParameter, match="by to be a whole number, got x"):
        run("redder:by=x")


def test_a_protocol_shows_its_parameters_and_numbered_views(run):
    text = run("10crop:merge=logit", "--architecture", "net50")
    assert text.startswith("10crop:merge=logit (protocol)\n")
    assert "combine  mean of logits" in text
    assert "(default: prob)" in text
    assert "views for net50, weights IMAGENET1K_V1, of an image of 500x375" in text
    lines = text.splitlines()
    assert lines[-10].startswith("  1   short side 256 bilinear, crop 224 top-left ")
    assert lines[-10].endswith("341x256  x 0..223, y 0..223")
    assert lines[-1].split()[:2] == ["10", "short"]
    assert lines[-1].endswith("341x256  x 59..282, y 16..239")


def test_the_object_of_a_protocol_has_everything(run):
    found = run("10crop:flip=false,resize=300", "--architecture", "net50", json_=True)
    assert (found["kind"], found["name"], found["label"]) == ("protocol", "10crop", "10crop:flip=false,resize=300")
    by_name = {p["name"]: p for p in found["parameters"]}
    assert by_name["resize"] == {"name": "resize", "type": "whole number, or auto", "default": "auto", "value": "300"}
    assert by_name["interpolation"]["default"] == "as the weights"
    assert [v["flip"] for v in found["views"]] == [False] * 5
    assert found["views"][0]["resize"] == 300
    assert found["views"][3]["box"] == [176, 76, 400, 300]


def test_a_mirror_is_a_view_where_the_dataset_allows_it(run):
    assert [v["flip"] for v in run("toy:flip=true", "--architecture", "toy", json_=True)["views"]] == [True, True]
    with_mirrors = run("multiscale", "--architecture", "net50", json_=True)["views"]
    without = run("multiscale", "--architecture", "net50", "--data", "digits", json_=True)["views"]
    assert len(with_mirrors) == 10
    assert len(without) == 5
    assert without[0]["resize"] == 32


def test_a_network_without_weights_has_its_own_preprocessing(run):
    found = run("1crop", "--architecture", "bare", json_=True)
    assert (found["weights"], found["views"][0]["resize"]) == ("any", 5)


def test_a_change_of_pixels_is_named_once_above_the_views_that_it_changes(run):
    change = "lowpass r=12, unit=pixels, rule=le, range=none"
    lines = run("lowpass:of=10crop(flip=false)", "--architecture", "net50").splitlines()
    assert lines[0] == "lowpass:r=12,of=10crop(flip=false) (protocol)"
    start = lines.index("views of 10crop:flip=false for net50, weights IMAGENET1K_V1, of an image of 500x375")
    assert lines[start + 1] == f"  each with its pixels changed before they are normalised: {change}"
    plain = run("10crop:flip=false", "--architecture", "net50").splitlines()
    assert lines[start + 2 :] == plain[-5:]
    found = run("lowpass", "--architecture", "net50", json_=True)
    assert (found["label"], found["of"], found["change"]) == ("lowpass:r=12", "1crop", change)
    assert found["views"][0]["text"] == f"short side 256 bilinear, crop 224 center, {change}"
    assert found["views"][0]["perturbation"]["parameters"]["r"] == "12/1"
    plain = run("1crop", "--architecture", "net50", json_=True)
    assert (plain["of"], plain["change"]) == (None, None)


def test_the_parameters_of_a_change_of_pixels_are_its_own(run):
    facts = {p["name"]: p for p in run("highpass:r=1/3,rule=lt", "--architecture", "net50", json_=True)["parameters"]}
    assert list(facts) == ["r", "unit", "rule", "range", "on", "of"]
    assert facts["r"] == {"name": "r", "type": "number or fraction", "default": "12", "value": "1/3"}
    assert facts["rule"] == {"name": "rule", "type": "le|lt", "default": "le", "value": "lt"}
    assert facts["of"]["type"] == "a protocol, such as 10crop(flip=false)"
    step = next(p for p in run("pgd", json_=True)["parameters"] if p["name"] == "step")
    assert step == {"name": "step", "type": "number or fraction, or auto", "default": "auto", "value": "auto"}


def test_an_ensemble_of_changed_pictures_shows_both(run):
    text = run("ensemble:protocol=lowpass(r=8,of=10crop(flip=false))", "--architecture", "net50")
    assert "views of each member (lowpass:r=8,of=10crop(flip=false)) for net50" in text
    assert "each with its pixels changed before they are normalised: lowpass r=8, unit" in text
    assert text.splitlines()[-1].split()[0] == "5"


def test_an_ensemble_shows_the_views_of_its_members(run):
    found = run("ensemble:protocol=10crop(flip=false)", "--architecture", "net50", json_=True)
    assert (found["inner"], len(found["views"])) == ("10crop:flip=false", 5)
    assert "views of each member (1crop) for net50" in run("ensemble", "--architecture", "net50")


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (int, "whole number"),
        (int | None, "whole number, or auto"),
        (tuple[int, ...] | None, "whole numbers joined by +, or auto"),
        (bool, "true|false"),
        (float, "number"),
        (str, "text"),
    ],
)
def test_types_in_words(kind, words):
    assert _facts.type_words(kind) == words


def test_an_architecture_shows_its_weights(run):
    text = run("net50")
    assert text.splitlines()[:2] == ["net50 (architecture, from networks (extra 2))", "  Fifty layers."]
    numbers = "RGB from 0 to 1, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"
    assert f"  IMAGENET1K_V2  short side 232, crop 224, bilinear, {numbers} " in text
    found = run("net50", json_=True)
    assert [w["name"] for w in found["weights"]] == ["IMAGENET1K_V1", "IMAGENET1K_V2", "timm.a1_in1k"]
    assert found["weights"][2]["preprocess"]["crop"] == 288
    assert (found["fixed_size"], found["dense"]) == (False, "auto")


def test_an_architecture_without_weights_or_dense_head_says_so(run):
    text = run("bare")
    assert "input size  fixed" in text
    assert "none; a file or random is prepared with: short side 5, crop 4, bilinear" in text


def test_a_dataset_a_loader_and_a_reporter_can_be_shown(run):
    assert "Five images" not in run("digits")
    assert run("digits", json_=True)["kind"] == "dataset"
    assert run("csv", json_=True)["kind"] == "reporter"
    assert run("torch", json_=True)["exact"] is True


def test_a_published_number_shows_every_field_that_the_source_fills(run):
    text = run("he-t4-ms-resnet-50-top1")
    for words in ("20.74", "He et al. 2015, Table 4", "https://arxiv.org/abs/1512.03385", "verified", "224+256+384"):
        assert words in text
    assert "weights  " not in text
    found = run("tv-v1-50-top1", json_=True)
    assert (found["value"], found["error"], found["status"]) == ("76.130", 23.87, "verified")


def command(catalog, row_id, architecture="net50"):
    """The command for a row of the ledger whose network is ``net50``."""
    row = next(r for r in ledger.load() if r.id == row_id)
    return _facts.run_command(catalog, dataclasses.replace(row, architecture=architecture))


def test_the_command_that_measures_a_number_again(catalog):
    assert command(catalog, "tv-v1-50-top1") == (
        "benchsuite run net50 -p 1crop --data imagenet:PATH --weights IMAGENET1K_V1",
        "PATH is the folder of your imagenet",
    )
    assert command(catalog, "timm-resnet50.a1_in1k-288-top1")[0] == (
        "benchsuite run net50 -p 1crop --data imagenet:PATH --weights timm.a1_in1k"
    )
    assert command(catalog, "timm-resnet50.a1_in1k-224-top1")[0] == (
        "benchsuite run net50 -p 1crop:crop=224,resize=235 --data imagenet:PATH --weights timm.a1_in1k"
    )


def test_a_number_of_other_weights_needs_a_file(catalog):
    done, remark = command(catalog, "fb-10crop-50-top1")
    protocol = "10crop:interpolation=bicubic,merge=logit,rounding=ceil"
    assert done == f"benchsuite run net50 -p {protocol} --data imagenet:PATH --weights FILE"
    assert remark == "PATH and FILE are yours: benchsuite has no weights of FAIR fb.resnet.torch"
    assert command(catalog, "he-t4-ms-resnet-50-top1")[0] == (
        "benchsuite run net50 -p multiscale --data imagenet:PATH --weights FILE"
    )


@pytest.mark.parametrize(
    ("row_id", "architecture", "reason"),
    [
        ("he-t3-10c-plain-34-top1", "", "benchsuite has no such network"),
        ("he-t4-other-vggv5-top1", "net50", "the source does not say a protocol that benchsuite has"),
        ("tv-v1-50-top1", "nett50", "benchsuite has no network 'nett50'"),
        ("tv-v1-50-top1", "torchvision:resnt50", "Unknown model of torchvision 'resnt50': did you mean 'resnet50'?"),
    ],
)
def test_a_number_that_cannot_be_measured_again_says_why(catalog, row_id, architecture, reason):
    assert command(catalog, row_id, architecture) == (None, reason)


def test_a_number_of_a_data_set_that_is_not_there_says_so(catalog):
    row = next(r for r in ledger.load() if r.id == "lbcnn-gh-svhn")
    fewer = dataclasses.replace(catalog, datasets={n: d for n, d in catalog.datasets.items() if n != "svhn"})
    told = _facts.run_command(fewer, dataclasses.replace(row, architecture="net50"))
    assert told == (None, "benchsuite has no dataset 'svhn'")
    assert command(catalog, "lbcnn-gh-svhn")[0] == "benchsuite reproduce lbcnn-gh-svhn --data svhn:PATH --train"


def written(folder, **changes):
    """A whole run on disk, with a one-row table of predictions."""
    data = manifest(**changes) | {
        "protocol": {"label": "1crop", "parameters": {}, "note": "", "source": ""}
        | {"combine": {"rule": "mean", "space": "prob", "average": "equal"}},
        "versions": {"torch": "2.9"},
        "hardware": {"cpu": "a cpu"},
        "created": "2026-01-02T03:04:05Z",
        "command": "benchsuite run resnet50 -p 1crop",
    }
    run_folder.write_run(folder, data, {"id": ["a"]})
    return data


def test_a_run_shows_the_question_the_counts_and_the_views(run, tmp_path):
    folder = tmp_path / "runs" / "resnet50-1crop-imagenet-0123456789ab"
    data = written(folder, errors=58, n=500, asked__limit=500)
    for name in ("resnet50-1crop-imagenet-0123456789ab", "resnet50-1crop-im", "0123456789ab", str(folder)):
        text = run(name)
        assert text.startswith("resnet50-1crop-imagenet-0123456789ab\n")
        assert "benchsuite run resnet50 -p 1crop" in text
        assert "500 of 50000" in text
        assert "11.60 [9.08, 14.70]" in text
        assert "views, combined by mean of probs" in text
        assert "1  short side 256 bilinear, crop 224 center" in text
        assert "2 at 1, 1 at 5, within 1e-05" in text
        assert "torch  2.9" in text
        assert "  total    9.90" in text
    brief = run("resnet50-1crop-im", all_=False)
    assert re.match(r"resnet50-1crop-im\S*: \d+\.\d\d \[.*\] % top-1 error of resnet50 by 1crop\.", brief)
    assert len(brief.splitlines()) < len(text.splitlines())
    found = run("resnet50-1crop-im", json_=True)
    assert (found["kind"], found["top1_errors"], found["n"], found["limit"]) == ("run", 58, 500, 500)
    assert found["manifest"] == data


def test_a_run_shows_what_its_precision_was_chosen_from(run, tmp_path):
    folder = tmp_path / "runs" / "resnet50-1crop-imagenet-0123456789ab"
    data = written(folder)
    check = {"precision": "bf16", "difference": 0.02, "bound": 0.05, "changed": [], "tolerance": 0.02, "passed": True}
    data["numerics"]["chosen"] = [{"precision": "bf16", "images": 64, "checks": [check]}]
    run_folder.write_run(folder, data, {"id": ["a"]})
    assert "precision auto: bf16; bf16 against float32 on 64 images: the same top-1" in run(str(folder))


def test_a_beginning_that_two_runs_share_is_refused(run, tmp_path):
    for end in "ab":
        written(tmp_path / "runs" / f"resnet50-1crop-imagenet-{end}")
    with pytest.raises(UnknownName, match="Expected one run, got 2 that begin with 'resnet50-1c'"):
        run("resnet50-1c")


def test_a_run_without_predictions_is_refused_in_one_line(run, tmp_path):
    folder = tmp_path / "runs" / "resnet50-1crop-imagenet-x"
    written(folder)
    (folder / "predictions.parquet").unlink()
    with pytest.raises(StorageError, match="Expected a run to be whole") as caught:
        run("resnet50-1crop-imagenet-x")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("10corp", "10crop"),
        ("mulitscale:flip=true", "multiscale"),
        ("nett50", "net50"),
        ("he-t4-ms-resnet-50-top2", "he-t4-ms-resnet-50-top"),
        ("imagnet", "imagenet"),
        ("other-1crop-imagenet-y", "other-1crop-imagenet-x"),
    ],
)
def test_an_unknown_name_suggests_the_nearest_of_all_kinds(run, tmp_path, name, nearest):
    written(tmp_path / "runs" / "other-1crop-imagenet-x")
    with pytest.raises(UnknownName, match=f"did you mean '{nearest}") as caught:
        run(name)
    assert "\n" not in str(caught.value)


def test_a_name_like_nothing_says_how_many_there_are_and_a_word_of_some_lists_those(run):
    with pytest.raises(UnknownName, match=r"known: .*resnet101, .*resnet50, .* of [0-9]+ "):
        run("some-resnet-of-mine")
    with pytest.raises(UnknownName, match=r"Unknown name 'zzzzqq': none of the [0-9]+ known ones") as caught:
        run("zzzzqq")
    assert "he-t4" not in str(caught.value)


def test_a_wrong_parameter_is_named_before_the_network(run):
    with pytest.raises(BadParameter, match="did you mean 'merge'"):
        run("10crop:merg=logit", "--architecture", "no-such-net")


def test_the_default_results_folder_is_named_by_the_environment(monkeypatch):
    monkeypatch.setenv("BENCHSUITE_RESULTS", "/elsewhere")
    parser = argparse.ArgumentParser()
    show.add_arguments(parser)
    assert str(parser.parse_args(["1crop"]).results) == "/elsewhere"
    monkeypatch.delenv("BENCHSUITE_RESULTS")
    parser = argparse.ArgumentParser()
    show.add_arguments(parser)
    assert str(parser.parse_args(["1crop"]).results) == "results"


def test_the_first_line_says_how_many_views_a_protocol_has_and_the_table_where_they_are(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("10crop:merge=logit", "--architecture", "net50", all_=False).splitlines()
    assert lines[0].startswith("10crop:merge=logit (protocol): 10 views of an image, mean of logits.")
    assert [line.split()[0] for line in lines[5:15]] == [str(n) for n in range(1, 11)]
    assert lines[5].split("  ")[-1] == "x 0..223, y 0..223 of 341x256"
    assert re.split("  +", lines[14])[1] == "crop 224 center, mirrored"
    assert "every view: short side 256 bilinear" in lines
    assert lines[-1] == "All that is known: benchsuite show 10crop:merge=logit --all"
    assert len(lines) <= 24
    many = run("multicrop", "--architecture", "net50", all_=False)
    assert "40 more views: benchsuite show multicrop --all" in many


def test_the_first_lines_about_a_network_and_a_figure_are_the_answer(run):
    text = run("net50", all_=False)
    assert text.startswith(
        "net50 (architecture, from networks (extra 2)): images of any size, 3 sets of weights. Fifty"
    )
    assert "timm.a1_in1k 288/288 bicubic where timm.a1_in1k comes from" in " ".join(text.split())
    text = run("he-t4-ms-resnet-50-top1", all_=False)
    assert text.startswith("he-t4-ms-resnet-50-top1: ResNet-50, 20.74 % top-1 error on imagenet")
    assert "K. He says: one ResNet-50" in text
    text = run("lbcnn-2nd-82.74", all_=False)
    assert "unverified" in text.splitlines()[0]
    assert run("torch", all_=False).startswith("torch (loader): the reference")
    assert run("redder:by=5", all_=False).startswith(
        "redder:by=5 (transform, from toys (extra 1)): A larger logit of red."
    )
