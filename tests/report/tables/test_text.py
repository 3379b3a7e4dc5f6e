"""Tests of text tables: rounding, the flat row of a run, several results, and published figures next to them."""

from dataclasses import asdict
from decimal import Decimal

import pytest
from finished_runs import TORCHVISION, manifest, result
from scipy.stats import binomtest

from benchsuite.explanation import ledger
from benchsuite.report.tables import text
from benchsuite.runs import manifest as run_manifest
from benchsuite.specs.preprocess import Preprocess, center
from benchsuite.specs.view import Crop, View, view_data


def line(model_id, *rows, most=100):
    """The line of published_table that belongs to one row of the ledger, as a dictionary."""
    headers, lines = text.published_table(rows, most=most)
    published = next(r for r in ledger.load() if r.id == model_id)
    size = "/".join(str(p) for p in (published.short_side, published.crop) if p)
    wanted = (published.model, published.variant, published.weights or published.run, published.source)
    found = [
        dict(zip(headers, cells, strict=True))
        for cells in lines
        if (cells[0], cells[1], cells[2], cells[7]) == wanted and cells[3].endswith(size)
    ]
    assert len(found) == 1
    return found[0]


def test_results_side_by_side():
    headers, lines = text.result_table([result(), result(errors=58, n=500, asked__limit=500)])
    first, second = (dict(zip(headers, cells, strict=True)) for cells in lines)
    assert first["n"] == "50000"
    assert first["top-1 error %"].startswith("23.870 [23.4")
    assert first["images/s"] == "59.0"
    assert first["decode / wait / forward s"] == "1.3 / 0.0 / 8.0"
    assert second["n"] == "500 of 50000"
    assert second["top-1 error %"] == "11.60 [9.08, 14.70]"
    assert (second["architecture"], second["weights"], second["views"]) == ("resnet50", "IMAGENET1K_V1", "1")


def test_a_limited_result_says_so_even_where_the_size_of_the_split_is_not_known():
    row = result(errors=58, n=500, asked__limit=500)
    del row["of"]
    assert text.image_count(row) == "500 (limited)"
    assert text.image_count({**row, "limit": None}) == "500"


def test_a_result_without_a_speed_has_an_empty_cell():
    headers, lines = text.result_table([result(images_per_second=None)])
    assert dict(zip(headers, lines[0], strict=True))["images/s"] == ""


def test_the_same_measurement_is_compared_with_its_sign():
    # 11,940 errors of 50,000 are 23.88 %; torchvision prints 76.130 % accuracy, that is 23.870 % error.
    assert line("tv-v1-50-top1", result(errors=11_940))["this run"] == "23.880 (+0.010)"
    assert line("tv-v1-50-top1", result(errors=11_930))["this run"] == "23.860 (-0.010)"
    assert line("tv-v1-50-top1", result(errors=11_935))["this run"] == "23.870 (+0.000)"


def test_printed_figures_are_shown_as_errors_with_their_partner():
    shown = line("tv-v1-50-top1", result())
    assert (shown["top-1 error %"], shown["top-5 error %"]) == ("23.870", "7.138")
    assert (shown["protocol"], shown["dataset"]) == ("1crop 256/224", "imagenet")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dataset__name": "digits"}, "other dataset (digits)"),
        ({"n": 500, "errors": 58}, "500 images, not the 50000"),
        ({"architecture__name": "resnet50.v1"}, "other variant"),
        ({"weights__label": "IMAGENET1K_V2"}, "other weights"),
        ({"views": [view_data(center(Preprocess(288, 288, "bilinear", (0.5,), (0.5,))))]}, "other size"),
        ({"views": [view_data(center(Preprocess(256, 224, "bicubic", (0.5,), (0.5,))))]}, "other resampling"),
        ({"protocol__label": "1crop:resize=256,rounding=ceil"}, "with rounding=ceil"),
    ],
)
def test_what_differs_is_said_in_words_and_nothing_is_compared(changes, words):
    assert line("tv-v1-50-top1", result(**changes))["this run"] == words


def test_parameters_that_only_spell_the_sizes_out_are_no_difference():
    assert line("tv-v1-50-top1", result(protocol__label="1crop:crop=224,resize=256"))["this run"] == "23.870 (+0.000)"


def test_several_differences_are_all_named():
    shown = line("he-gh-1c-resnet-50-top1", result(dataset__name="digits", dataset__of=360, n=360, errors=3))
    assert shown["this run"] == "other dataset (digits); other variant; other weights"


def test_a_network_of_timm_is_the_same_network_as_ours():
    views = [view_data(center(Preprocess(288, 288, "bicubic", (0.5,), (0.5,))))]
    ours = result(errors=9380, weights__label="timm.a1_in1k", views=views)
    theirs = result(errors=9380, architecture__name="timm:resnet50.a1_in1k", weights__label="a1_in1k", views=views)
    for row in (ours, theirs):
        assert line("timm-resnet50.a1_in1k-288-top1", row)["this run"] == "18.760 (+0.000)"
        assert line("timm-resnet50.a1_in1k-224-top1", row)["this run"] == "other size"


def test_timms_tags_for_torchvisions_files_are_the_same_weights():
    # timm counts 23.844 % with torchvision's file, torchvision 23.87 %.
    assert line("timm-resnet50.tv_in1k-224-top1", result(errors=11_935))["this run"] == "23.870 (+0.026)"
    theirs = result(errors=11_935, architecture__name="timm:resnet50.tv_in1k", weights__label="tv_in1k")
    assert line("tv-v1-50-top1", theirs)["this run"] == "23.870 (+0.000)"


def test_the_scales_of_a_multiscale_figure_are_compared():
    views = [
        {**view_data(center(TORCHVISION)), "resize": s, "crop": None, "dense": True, "nominal": 224}
        for s in (224, 256, 384, 480, 640)
    ]
    row = result(architecture__name="resnet50.v1", protocol__label="multiscale", views=views)
    assert line("he-t4-ms-resnet-50-top1", row)["this run"] == "other weights"
    row = result(architecture__name="resnet50.v1", protocol__label="multiscale:scales=224+256", views=views[:2])
    assert line("he-t4-ms-resnet-50-top1", row)["this run"] == "other weights; other size; with scales=224+256"


def test_the_most_comparable_figures_come_first_and_the_rest_is_counted():
    headers, lines = text.published_table([result()], most=3)
    assert all(len(cells) == len(headers) for cells in lines)
    assert lines[0][-1] == "23.870 (+0.000)"
    every = text.published_table([result()], most=1000)[1]
    assert lines[-1][0] == f"and {len(every) - 3} more: benchsuite list published --model resnet50"
    assert len(lines) == 4


def test_every_measurement_is_shown_once_for_two_runs_of_one_model():
    one = text.published_table([result()], most=1000)[1]
    two = text.published_table([result(), result(weights__label="IMAGENET1K_V2")], most=1000)[1]
    assert len(one) == len(two) == len({r.measurement for r in ledger.matching("resnet50", "1crop")})


def test_each_line_is_compared_with_the_run_that_is_nearest_to_it():
    views = [view_data(center(Preprocess(232, 224, "bilinear", (0.5,), (0.5,))))]
    second = result(errors=9571, weights__label="IMAGENET1K_V2", views=views)
    assert line("tv-v1-50-top1", result(), second)["this run"] == "23.870 (+0.000)"
    assert line("tv-v2-50-top1", result(), second)["this run"] == "19.142 (+0.000)"


def test_an_unverified_figure_says_so():
    shown = line_of("82.74")
    assert shown["source"] == "julianolm/my-lbcnn README (unverified)"


def line_of(accuracy):
    headers, lines = text.published_table([result(architecture__name="lbcnn")], most=100)
    error = str(100 - Decimal(accuracy))
    return next(
        cells for cells in (dict(zip(headers, c, strict=True)) for c in lines) if cells["top-1 error %"] == error
    )


def test_models_without_printed_figures_have_no_lines():
    assert text.published_table([result(architecture__name="nobody-printed-this")]) == (list(text.PUBLISHED), [])
    assert text.published_table([]) == (list(text.PUBLISHED), [])


def test_the_error_by_reassessed_labels_is_a_column_of_the_runs_that_have_one():
    plain = manifest()
    judged = manifest()
    judged["counts"] = judged["counts"] | {"real_n": 40, "real_errors": 10}
    rows = [run_manifest.result_row(m, "p", cached=False) for m in (plain, judged)]
    assert "real_n" not in rows[0]
    assert (rows[1]["real_error"], rows[1]["real_n"]) == (25.0, 40)
    assert rows[1]["real_interval"] == pytest.approx(
        [100 * b for b in binomtest(10, 40).proportion_ci(method="wilson")]
    )
    headers, (first, second) = text.result_table(rows)
    at = headers.index("ReaL error %")
    assert headers[at + 1] == "top-5 error %"
    assert first[at] == ""
    assert second[at].startswith("25.00 [")
    assert second[at].endswith("] of 40")
    assert "ReaL error %" not in text.result_table(rows[:1])[0]
    judged["counts"]["real_n"] = judged["counts"]["real_errors"] = 0
    assert run_manifest.result_row(judged, "p", cached=False)["real_error"] is None


def test_a_loader_that_is_not_exact_is_named_beside_the_data_set_and_keeps_figures_apart():
    lossy = result(asked={"loader": "jpegs", "limit": None, "seed": 0, "question": {"loader": "jpegs"}})
    assert (result()["exact"], lossy["exact"]) == (True, False)
    assert [text.result_table([row])[1][0][3] for row in (result(), lossy)] == [
        "imagenet",
        "imagenet (jpegs, not exact)",
    ]
    (figure, *_) = ledger.matching("resnet50", "1crop")
    assert set(ledger.differences(figure, lossy)) - set(ledger.differences(figure, result())) == {
        "other pixels (jpegs)"
    }


def test_a_border_and_a_larger_short_side_are_said_below_the_result():
    tight = asdict(Preprocess(32, 32, "bilinear", mean=(0.5,) * 3, std=(0.5,) * 3))
    plain, edged = View(32, Crop(32)), View(32, Crop(32, "top-left"), pad=4)

    def said(*views, preprocess=tight):
        seen = [view_data(v) for v in views]
        row = result(views=seen, members=[{"preprocess": preprocess, "preprocess_from": "a file", "views": seen}])
        return [words for words in text.remarks(row) if "border" in words or "resized" in words]

    assert said(plain) == []
    assert said(plain, edged) == ["crops reach into a border of 4 pixels, black"]
    larger = [View(short, dense=True, nominal=32) for short in (32, 37, 55)]
    assert said(*larger) == ["images are resized to a short side of 37, 55: the weights have 32, no margin"]
    assert said(*larger, preprocess=tight | {"resize": [40, 36]}) == []


def prepared(architecture: str, protocol: str, way: str, sizes: str = "") -> dict[str, object]:
    text = f"{way}{'; sizes by the protocol: ' + sizes if sizes else ''}"
    return {"architecture": architecture, "weights": "w", "protocol": protocol, "preprocessing": [text]}


def test_the_preprocessing_is_a_line_for_each_way_and_names_results_only_where_it_must():
    same = [prepared("a", "1crop", "X"), prepared("a", "10crop", "X")]
    assert text.preprocessing_lines(same) == ["preprocessing: X"]
    assert text.preprocessing_lines([*same, prepared("b", "1crop", "Y")]) == [
        "preprocessing of a: X",
        "preprocessing of b: Y",
    ]
    dense = prepared("a", "fullconv", "X", "no crop")
    assert text.preprocessing_lines([*same, dense]) == ["preprocessing: X", "sizes by the protocol: fullconv: no crop"]
    by_protocol = [prepared("a", "1crop", "X"), prepared("a", "10crop", "Y")]
    assert text.preprocessing_lines(by_protocol)[1] == "preprocessing of a w 10crop: Y"
    many = [prepared(f"n{i}", "1crop", "X") for i in range(6)]
    assert text.preprocessing_lines([*many, prepared("b", "1crop", "Y")])[0] == "preprocessing of n0 and 5 more: X"
    assert text.preprocessing_lines([result()]) == []
