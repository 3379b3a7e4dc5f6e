"""Tests of the section about spatial frequencies: with an analysis, with runs alone, and without torch."""

from __future__ import annotations

import base64
import csv
import dataclasses
import io
import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from benchsuite.protocols._frequency_filter import highpass_reference, lowpass_reference
from finished_reports import NASTY, Page
from finished_runs import saved, scores
from frequency_analyses import CLEAN, RADII, RADIUS, analysed, filtered_run, filtered_runs
from PIL import Image

from benchsuite import DataError, Split
from benchsuite.explanation.frequency.analysis import FrequencyAnalysis, path
from benchsuite.report import export
from benchsuite.report.build import ReportRequest, build
from benchsuite.report.content import Report, read
from benchsuite.report.frequency import pictures
from benchsuite.report.frequency.section import title
from benchsuite.report.html.page import page
from benchsuite.report.plots import figures, svg
from benchsuite.report.plots.shapes import Lines, Points
from benchsuite.report.results_tables import maker
from benchsuite.report.sources import sources
from benchsuite.report.tables import frequency as tables
from benchsuite.specs.catalog import load_plugins
from benchsuite.specs.dataset import Sample
from benchsuite.specs.view import view_from_data
from benchsuite.stats.digits import percent
from benchsuite.stats.metrics import Count


def shown(report: Report) -> Page:
    return Page(page(report, title="A title", pictures={}))


def split_of(found: FrequencyAnalysis) -> Split:
    """A data set with the images of the triples: random pixels, larger than the crop."""

    def drawn(sample: Sample) -> Any:
        seed = int(sample.id[-5:])
        return np.random.default_rng(seed).integers(0, 256, (260, 300, 3), dtype=np.uint8)

    samples = tuple(Sample(t.id, t.label, "memory") for t in sorted(found.triples, key=lambda t: t.id))
    return Split("madeup", samples, tuple(f"class {NASTY[i % 5]} {i}" for i in range(10)), True, drawn)


def test_an_analysis_next_to_a_run_is_a_section_before_the_others(tmp_path: Path) -> None:
    found = analysed(tmp_path)
    report = read(sources(tmp_path, (CLEAN,)))
    parsed = shown(report)
    assert parsed.faults == []
    sections = [a.get("id") for a in parsed.named("section")]
    assert sections[0] == f"frequency-{CLEAN}"
    assert "Which spatial frequencies does resnet50 use?" in parsed.text
    at = found.at_radius
    assert f"{at.swapped} of 60 images" in parsed.text
    assert "arXiv:1905.13545" in parsed.text
    assert "pgd eps=8/255" in parsed.text
    assert "The gradient of 2 images is zero everywhere" in parsed.text
    assert len(parsed.named("img")) == 2, "the kernels and their spectra; the data set is not opened"
    assert "stem <b>" in parsed.text
    ids = [a["id"] for _, a in parsed.elements if "id" in a]
    assert len(ids) == len(set(ids))


def test_a_run_without_an_analysis_and_without_filters_has_no_section(tmp_path: Path) -> None:
    saved(tmp_path, CLEAN, scores(20, 10, 1))
    filtered_run(tmp_path, "lowpass", 4, scores(20, 10, 2))
    report = read(sources(tmp_path, ()))
    assert report.frequencies == (), "a single point is no curve"
    assert not any("frequency" in a.get("id", "") for a in shown(report).named("section"))


def test_filtered_runs_without_an_analysis_are_a_curve(tmp_path: Path) -> None:
    filtered_runs(tmp_path)
    report = read(sources(tmp_path, ()))
    (content,) = report.frequencies
    assert content.analysis is None
    by_id = {entry.run_id: entry for entry in report.entries}
    assert content.clean == Count(60 - by_id[CLEAN].row["top1_errors"], 60)
    assert [point.radius for point in content.points] == list(RADII)
    for point in content.points:
        for kind, count in (("lowpass", point.low), ("highpass", point.high)):
            row = next(e.row for e in report.entries if e.row["protocol"] == f"{kind}:r={point.radius}")
            assert count == Count(60 - row["top1_errors"], 60)
    parsed = shown(report)
    assert parsed.faults == []
    assert "Which spatial frequencies does resnet50 use?" in parsed.text
    assert "explain RUN --frequency adds" in parsed.text


def test_runs_of_an_analysis_are_not_drawn_twice_and_other_filters_are_curves_of_their_own(tmp_path: Path) -> None:
    analysed(tmp_path)
    for r in (3, 5):
        filtered_run(tmp_path, "lowpass", r, scores(60, 10, r), options={"rule": "lt"})
        filtered_run(tmp_path, "highpass", Fraction(r, 32), scores(60, 10, r), options={"unit": "fraction"})
    contents = read(sources(tmp_path, ())).frequencies
    assert [content.analysis is not None for content in contents] == [True, False, False]
    units = {content.unit: content for content in contents[1:]}
    assert [p.radius for p in units["waves per pixel"].points] == [Fraction(3, 32), Fraction(5, 32)]
    assert all(p.low is None for p in units["waves per pixel"].points)
    assert [p.high for p in units["waves per side"].points] == [None, None]
    titles = [title(content, contents) for content in contents]
    assert len(set(titles)) == 3, "several sections of one network have titles that tell them apart"
    assert titles[0].endswith("use? (IMAGENET1K_V1, 1crop, madeup)")
    assert shown(read(sources(tmp_path, ()))).faults == []


def test_an_analysis_that_cannot_be_read_is_one_error(tmp_path: Path) -> None:
    analysed(tmp_path)
    path(tmp_path, CLEAN).write_text("{")
    with pytest.raises(DataError, match=r"frequency\.json"):
        read(sources(tmp_path, ()))


def test_without_an_attack_the_section_says_why(tmp_path: Path) -> None:
    analysed(tmp_path, pictures=False)
    parsed = shown(read(sources(tmp_path, ())))
    assert "No attack and no gradient: it was left out." in parsed.text
    assert parsed.faults == []


def test_the_triples_are_drawn_by_the_reference_filters(tmp_path: Path) -> None:
    found = analysed(tmp_path)
    (content, *_) = read(sources(tmp_path, (CLEAN,))).frequencies
    assert content.views is not None
    split = split_of(found)
    drawn = pictures.triples(found.triples, content.views, split)
    assert 0 < len(drawn) <= pictures.SHOWN_LARGE
    assert [d.triple for d in drawn] == list(found.triples[: len(drawn)])
    image = split.read(split.samples[0])
    original, low, high = (pictures.seen(image, view) for view in content.views)
    assert original.shape == (224, 224, 3)
    keywords: dict[str, Any] = {"unit": "pixels", "rule": "le", "range": "none"}
    assert np.array_equal(low, lowpass_reference(original, None, r=Fraction(RADIUS), **keywords))
    assert np.array_equal(high, highpass_reference(original, None, r=Fraction(RADIUS), **keywords))
    assert low + high == pytest.approx(original, abs=1e-9)
    report = dataclasses.replace(
        read(sources(tmp_path, (CLEAN,))),
        classes={content.data: split.classes},
        frequencies=(dataclasses.replace(content, pictures=drawn),),
    )
    parsed = shown(report)
    assert parsed.faults == []
    assert len([i for i in parsed.named("img") if i["src"].startswith("data:image/jpeg")]) == 3 * len(drawn)
    assert "drawn with 0.5 added" in parsed.text
    for triple in found.triples[: len(drawn)]:
        assert triple.id in parsed.text


def test_a_mirrored_view_is_drawn_mirrored_and_a_high_pass_picture_is_shifted(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    data = {"resize": 32, "crop": {"size": 32}, "flip": True}
    assert np.array_equal(pictures.seen(image, view_from_data(data)), image[:, ::-1] / 255)
    drawn = pictures.picture(np.full((4, 6, 3), 0.25 + 0.5))
    assert (drawn.width, drawn.height, drawn.tiny) == (6, 4, True)
    decoded = Image.open(io.BytesIO(base64.b64decode(drawn.uri.partition(",")[2])))
    assert decoded.convert("RGB").getpixel((0, 0)) == (191, 191, 191)
    assert pictures.picture(np.zeros((100, 100, 3))).uri.startswith("data:image/jpeg")


def test_kernels_are_drawn_with_mid_grey_for_zero_and_each_by_its_own_maximum(tmp_path: Path) -> None:
    found = analysed(tmp_path).measurement.kernels
    assert found is not None
    drawn, spectra = pictures.kernels(found)
    for picture in (drawn, spectra):
        assert (picture.width, picture.height) == (2 * pictures.TILE + pictures.GAP,) * 2
    decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(drawn.uri.partition(",")[2]))).convert("RGB"))
    kernel = np.array(found.weights[0])
    wanted = np.rint(255 * (0.5 + 0.5 * kernel[:, 0, 0] / np.abs(kernel).max()))
    assert decoded[0, 0] == pytest.approx(wanted)
    assert {0, 255} & set(decoded[: pictures.TILE, : pictures.TILE].ravel().tolist())


def test_every_plot_shows_the_numbers_of_the_analysis(tmp_path: Path) -> None:
    found = analysed(tmp_path)
    report = read(sources(tmp_path, (CLEAN,)))
    accuracy, rings, within, kernels = list(figures.figures(report))[:4]
    assert isinstance(accuracy, Points)
    assert accuracy.level == (f"as they are: {percent(Count(found.clean_right, 60))} %", 100 * found.clean_right / 60)
    for series, runs in zip(accuracy.series, ("low", "high"), strict=True):
        right = [getattr(at, runs).right for at in found.curve]
        assert [p.y for p in series.points] == pytest.approx([100 * r / 60 for r in right])
        assert all(p.low <= p.y <= p.high for p in series.points)
    assert isinstance(rings, Lines)
    assert isinstance(within, Lines)
    assert isinstance(kernels, Lines)
    assert [line.label for line in rings.lines] == ["input gradient", "PGD", "noise: every wave alike"]
    assert [line.label for line in within.lines][-1] == "pictures"
    assert found.measurement.gradient is not None
    assert [y for _, y in rings.lines[0].points] == pytest.approx([100 * s for s in found.measurement.gradient.share])
    assert [line.points[-1][1] for line in within.lines] == pytest.approx([100] * 4)
    assert kernels.lines[0].points[16][0] == 100, "ring 16 of 32 pixels is the Nyquist frequency"
    for wide in (340, 560, 1040):
        drawn = svg.draw(accuracy, wide)
        assert 'class="level"' in drawn
        assert drawn.count('class="join') == 2


def test_the_tables_go_into_papers_csv_and_json(tmp_path: Path) -> None:
    found = analysed(tmp_path)
    report = read(sources(tmp_path, ()))
    (content,) = report.frequencies
    markdown = export.markdown(report, "title")
    assert "Accuracy by radius: resnet50 on madeup" in markdown
    assert "Energy within r" in markdown
    rows = [row for row in csv.DictReader(io.StringIO(export.as_csv(report))) if row["table"] == "radius"]
    assert [(row["radius"], row["low_right"]) for row in rows] == [
        (f"{at.radius}.0", str(at.low.right)) for at in found.curve
    ]
    (data,) = json.loads(json.dumps(export.as_json(report)))["frequencies"]
    assert data["analysis"]["curve"][0]["swapped"] == found.curve[0].swapped
    sheet = tables.accuracy(content)
    by_title = [dict(zip([c.title for c in sheet.columns], row, strict=False)) for row in sheet.rows]
    assert [row["wrong on low, right on high"].text for row in by_title] == [str(at.swapped) for at in found.curve]


def test_a_page_of_results_has_the_answer_the_tables_and_the_plots(tmp_path: Path) -> None:
    found = analysed(tmp_path)
    make = maker(load_plugins(entry_points=False))
    text = make(tmp_path, ["frequency", ".", CLEAN]).text
    assert text.startswith(f"{found.at_radius.swapped} of 60 images")
    assert text.count("| ---: |") >= 2
    drawn = make(tmp_path, ["spectra", ".", CLEAN])
    assert [name for name, _ in drawn.files] == [
        f"frequency-aaa-{kind}.svg" for kind in ("accuracy", "rings", "within", "kernels")
    ]
    svgs = dict(drawn.files)
    for name, text in svgs.items():
        assert (".level {" in text) is name.endswith("accuracy.svg"), "other plots keep the style that they had"
        ElementTree.fromstring(text)
    with pytest.raises(DataError, match="explain --frequency has analysed"):
        make(tmp_path, ["frequency", ".", found.curve[0].low.run_id])


def test_the_page_is_built_without_torch(tmp_path: Path) -> None:
    analysed(tmp_path)
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from benchsuite.report.content import read\n"
        "from benchsuite.report.html.page import page\n"
        "from benchsuite.report.sources import sources\n"
        "import benchsuite.report.build\n"
        f"text = page(read(sources(Path({str(tmp_path)!r}), ())), title='t', pictures={{}})\n"
        "assert 'Which spatial frequencies' in text\n"
        "print([name for name in ('torch', 'torchvision', 'timm') if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_gallery_of_images_that_are_gone_leaves_a_note_and_a_page(tmp_path: Path) -> None:
    analysed(tmp_path)
    request = ReportRequest(names=(CLEAN,), results=tmp_path, html=tmp_path / "r.html", gallery=True)
    built = build(request, load_plugins(entry_points=False))
    assert len(built.notes) == 1
    assert "drawn with the data set" in Page((tmp_path / "r.html").read_text(encoding="utf-8")).text
