"""Tests of the page as text: complete, escaped, small, and reproducible. ``test_browser`` tests it in a browser."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from finished_reports import NASTY, VIEW, Page, ladder_file, nasty, two_runs
from finished_runs import saved, scores

from benchsuite.explanation import ledger
from benchsuite.report.content import Report, read
from benchsuite.report.html.page import page
from benchsuite.report.markup import embedded, escaped, indented, printable, size_words
from benchsuite.report.plots import figures, svg
from benchsuite.report.sources import sources
from benchsuite.report.summary import summary
from benchsuite.report.tables import runs, sheet
from benchsuite.report.tables.sheet import Cell, Column, Sheet
from benchsuite.stats import digits
from benchsuite.stats.metrics import Count

A, B = "resnet50-1crop-x-aaa", "resnet50-10crop-x-bbb"


def made(report: Report, **options: object) -> str:
    return page(report, **{"title": "A title", "pictures": {}, **options})  # type: ignore[arg-type]


def laddered(folder: Path, **extra: object) -> Report:
    two_runs(folder)
    return read(sources(folder, (str(ladder_file(folder, A, B, **extra)),)))


@pytest.mark.parametrize("kind", ["two runs", "one run", "a ladder", "nasty names"])
def test_every_element_is_closed_every_id_is_unique_and_every_link_leads_somewhere(tmp_path: Path, kind: str) -> None:
    if kind == "one run":
        saved(tmp_path, A, scores(20, 10, 1))
        report = read(sources(tmp_path, ()))
    else:
        report = {"two runs": two_runs, "a ladder": laddered, "nasty names": nasty}[kind](tmp_path)
    found = Page(made(report))
    assert found.faults == []
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = [attributes["href"] for attributes in found.named("a")]
    assert len(links) > 4
    assert {link.removeprefix("#") for link in links} <= set(ids)
    described = " ".join(a.get("aria-labelledby", "") for _, a in found.elements).split()
    assert set(described) <= set(ids)


def test_the_page_asks_for_nothing_and_allows_only_its_own_style_and_script(tmp_path: Path) -> None:
    text = made(nasty(tmp_path))
    found = Page(text)
    for tag, attributes in found.elements:
        assert not attributes.get("src", "data:").startswith(("http", "/", "x")), tag
        assert tag not in ("link", "iframe", "object", "base")
        assert not any(name.startswith("on") or name == "style" for name in attributes), tag
    policy = next(a["content"] for a in found.named("meta") if a.get("http-equiv"))
    for tag in ("style", "script"):
        body = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.DOTALL)
        (only,) = body
        digest = base64.b64encode(hashlib.sha256(only.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")


def test_nasty_names_are_only_text(tmp_path: Path) -> None:
    report = nasty(tmp_path)
    text = made(report, title=NASTY[1], notes=[NASTY[0]])
    found = Page(text)
    assert [a for a in found.named("script") if a.get("type") != "application/json"] == [{}]
    assert found.named("img") == []
    for name in NASTY[:6]:
        assert " ".join(name.split()) in " ".join(found.text.split())
    assert "\u202e" not in text
    text.encode("utf-8")


def test_embedded_data_cannot_end_its_script_and_is_read_back() -> None:
    rows = [[name, 1.5, None] for name in NASTY]
    text = embedded(rows)
    assert not re.search(r"[<>&\u2028\u2029]", text)
    assert json.loads(text) == [[printable(name), 1.5, None] for name in NASTY]
    with pytest.raises(ValueError, match="JSON compliant"):
        embedded([float("nan")])


def test_what_is_no_character_of_a_page_is_replaced_and_the_rest_stays() -> None:
    assert printable("a\x00b\x1bc\udcff\u202ed") == "a�b�c��d"
    for text in ("שלום", "👩‍👩‍👧", "🏴󠁧󠁢󠁷󠁬󠁳󠁿", "é", "漢字", "a b", "tab\tnew\nline"):
        assert printable(text) == text
    assert escaped("<a href='x'>\"&") == "&lt;a href=&#x27;x&#x27;&gt;&quot;&amp;"


def test_the_same_report_gives_the_same_page(tmp_path: Path) -> None:
    two_runs(tmp_path)
    assert made(read(sources(tmp_path, ()))) == made(read(sources(tmp_path, ())))


def test_a_page_of_many_runs_is_below_three_megabytes(tmp_path: Path) -> None:
    for i in range(45):
        more = {"protocol__label": f"multicrop:grid={i + 2}", "views": [VIEW] * 80}
        saved(tmp_path, f"resnet50-p-x-{i:03d}", scores(700, 10, i), **more)
    text = made(read(sources(tmp_path, ())))
    assert 1e6 < len(text.encode()) < 3e6


def test_rows_beyond_the_first_are_data_and_nothing_is_lost(tmp_path: Path) -> None:
    report = two_runs(tmp_path, n=400)
    found = Page(made(report))
    (pair,) = report.pairs
    assert len(pair.changed) > 40
    shown = found.text
    data = [json.loads(text) for tag, text in found.texts if tag == "script" and text.startswith("[[")]
    rest = {row[0] for table in data for row in table}
    assert all((image.id in shown) is not (image.id in rest) for image in pair.changed)


def test_manifests_are_whole_and_laid_out_to_be_read(tmp_path: Path) -> None:
    report = two_runs(tmp_path)
    found = Page(made(report))
    blocks = [json.loads(text) for tag, text in found.texts if tag == "pre"]
    assert blocks == [entry.manifest for entry in report.entries]


def test_json_for_people_is_json_and_short_lists_stand_on_one_line() -> None:
    value = {"a": [1, 2], "b": {"c": ["x" * 60, "y" * 60, {}]}, "d": "z" * 200, "e": None}
    assert json.loads(indented(value)) == value
    assert '"a": [1, 2],' in indented(value)
    assert max(len(line) for line in indented(value).splitlines() if "zz" not in line) <= 112


def test_what_is_the_same_in_every_row_is_said_once_and_a_name_is_always_left() -> None:
    columns = (Column("network"), Column("protocol"), Column("errors", True))
    rows = tuple((Cell("resnet50"), Cell(protocol), Cell("1", 1)) for protocol in ("1crop", "10crop"))
    once = sheet.once(Sheet("s", "S", columns, rows))
    assert [c.title for c in once.columns] == ["protocol", "errors"]
    assert once.remarks == ("Every row: network resnet50",)
    alike = sheet.once(Sheet("s", "S", columns, (rows[0], rows[0])))
    assert [c.title for c in alike.columns] == ["protocol", "errors"]
    single = Sheet("s", "S", columns, rows[:1])
    assert sheet.once(single) == single


def test_a_waterfall_leads_from_the_first_rate_to_the_last_without_a_gap(tmp_path: Path) -> None:
    printed = [row for row in ledger.load() if row.error is not None and row.k == 1][:2]
    (ladder,) = laddered(tmp_path, printed_before=printed[0].id, printed_after=printed[1].id).ladders
    rows = figures.waterfall(ladder).rows
    here = rows[0].mark
    assert here == float(printed[0].error or 0)
    for row in rows[1:]:
        if row.bars:
            assert row.bars[0].start == pytest.approx(here)
            here = row.bars[0].end
        else:
            assert row.mark == pytest.approx(here)
    assert here == pytest.approx(float(printed[1].error or 0))
    assert next(bar.tone for row in rows for bar in row.bars) == "open"


def test_a_change_for_the_better_has_the_tone_of_the_better(tmp_path: Path) -> None:
    (ladder,) = laddered(tmp_path).ladders
    for row, pair in zip(figures.waterfall(ladder).rows[1:-1], ladder.pairs, strict=True):
        change = pair.comparison.top1.change
        assert row.bars[0].tone == ("better" if change < 0 else "worse")
        assert row.interval == pytest.approx(
            (row.bars[0].start + 100 * pair.comparison.top1.low, row.bars[0].start + 100 * pair.comparison.top1.high)
        )


def test_plots_of_classes_count_every_image_that_changed(tmp_path: Path) -> None:
    report = two_runs(tmp_path)
    (pair,) = report.pairs
    bars = [bar for row in figures.classes(report, pair).rows for bar in row.bars]
    assert sum(-bar.end for bar in bars if bar.tone == "better") == pair.comparison.top1.fixed
    assert sum(bar.end for bar in bars if bar.tone == "worse") == pair.comparison.top1.broken


def test_every_plot_asks_a_question_which_the_page_shows_as_its_title(rich_report: tuple[Report, Path]) -> None:
    report, path = rich_report
    shown = path.read_text(encoding="utf-8")
    questions = {figure.question for figure in figures.figures(report)}
    assert len(questions) > 7
    assert {question for question in questions if not question.endswith("?")} == set()
    assert {question for question in questions if f'class="question">{question}</' not in shown} == set()


def test_a_protocol_has_one_style_in_every_plot_and_table(rich_report: tuple[Report, Path]) -> None:
    report, path = rich_report
    text = path.read_text(encoding="utf-8").replace("<wbr>", "")
    styles = {name: style.cls for name, style in report.palette.items()}
    assert set(styles) == {"1crop", "10crop", "tta", "lowpass", "highpass"}
    assert len(set(styles.values())) == len(styles)
    in_tables = re.findall(r'<span class="swatch ([^"]+)"></span>(?:<a [^>]+>)?([^<]+)<', text)
    assert len(in_tables) > 10
    for style, words in in_tables:
        assert style == styles[words.split()[-1].partition(":")[0]], words
    for entry in report.entries:
        style = styles[entry.row["protocol"].partition(":")[0]]
        plot = text.partition(f'data-name="calibration-{entry.run_id}"')[2].partition("</figure>")[0]
        assert set(re.findall(r'class="mark ([^"]+)"', plot)) == {style}
        run = re.search(rf'<tr>((?!<tr>).)*href="#run-{entry.run_id}"', text)
        assert run is not None
        assert f'class="swatch {style}"' in run[0]
    (ladder,) = report.ladders
    plot = text.partition(f'data-name="{ladder.name}"')[2].partition("</figure>")[0]
    ends = [styles[entry.row["protocol"]] for entry in (ladder.entries[0], ladder.entries[-1])]
    assert re.findall(r'class="mark ([^"]+)"', plot) == ends * 2, "drawn for wide and for narrow screens"


def test_costs_are_drawn_only_where_they_differ(tmp_path: Path) -> None:
    two_runs(tmp_path)
    assert list(figures.costs(read(sources(tmp_path, ())))) == []
    saved(tmp_path, "resnet18-10crop-x-c", scores(200, 10, 3), views=[VIEW] * 10, architecture__name="resnet18")
    views, cost = figures.costs(read(sources(tmp_path, ())))
    assert [s.label for s in views.series] == ["resnet18", "resnet50"]
    assert [p.x for p in views.series[0].points] == [10]
    assert [p.x for p in cost.series[0].points] == pytest.approx([10 * 0.224**2])


@pytest.mark.parametrize("wide", [340, 560, 1040])
def test_every_plot_is_well_formed_named_and_within_its_frame(tmp_path: Path, wide: float) -> None:
    drawn = list(figures.figures(nasty(tmp_path / "nasty")))
    two_runs(tmp_path)
    saved(tmp_path, "resnet18-10crop-x-c", scores(200, 10, 3), views=[VIEW] * 10, architecture__name="resnet18")
    drawn += figures.figures(read(sources(tmp_path, ())))
    assert len({type(figure) for figure in drawn}) == 2
    for figure in drawn:
        root = ElementTree.fromstring(svg.draw(figure, wide))
        assert root.attrib["role"] == "img"
        assert root[0].tag == "title"
        assert root[0].text
        width, height = map(float, root.attrib["viewBox"].split()[2:])
        for line in root.iter("line"):
            assert -1 <= float(line.attrib["x1"]) <= width + 1
            assert -1 <= float(line.attrib["y2"]) <= height + 1
        for text in root.iter("text"):
            assert 0 <= float(text.attrib["y"]) <= height


def test_the_summary_says_what_was_measured_and_what_can_be_believed(tmp_path: Path) -> None:
    saved(tmp_path, A, scores(200, 10, 1))
    (entry,) = read(sources(tmp_path, ())).entries
    rate = digits.with_interval(Count(entry.side.top1_errors, 200)).replace(" [", " % [")
    told = f"On madeup (200 images) the top-1 error of resnet50 under 1crop is {rate}."
    assert summary(read(sources(tmp_path, ()))) == told
    report = two_runs(tmp_path)
    top1 = report.pairs[0].comparison.top1
    words = summary(report)
    assert words.startswith("2 runs of 1 network under 2 protocols on one set of images. On madeup (200 images)")
    assert f"{top1.fixed} images fixed and {top1.broken} broken" in words
    assert ("beyond chance" in words) is (top1.p <= 0.05)


def test_the_summary_of_a_ladder_names_its_ends_its_steps_and_what_is_left(tmp_path: Path) -> None:
    printed = next(row for row in ledger.load() if row.error is not None and row.k == 1)
    report = laddered(tmp_path, printed_after=printed.id)
    words = summary(report)
    assert words.startswith("From 1crop to 10crop the top-1 error of resnet50 on madeup (200 images) goes from")
    assert "points in 1 step, " in words
    left = digits.signed(report.ladders[0].left_over, 2)
    assert words.endswith(f"No step accounts for {left} points of the published difference.")


def test_runs_with_equal_errors_are_all_named_or_counted(tmp_path: Path) -> None:
    for i in range(3):
        saved(tmp_path, f"resnet50-p-x-{i}", scores(50, 10, 1), protocol__label=f"multicrop:grid={i + 2}")
    report = read(sources(tmp_path, ()))
    assert "the top-1 error of each of 3 runs is" in summary(report)
    saved(tmp_path, "resnet50-p-x-9", scores(50, 10, 1, noise=9))
    assert "(and 2 others)" in summary(read(sources(tmp_path, ())))


def test_a_sheet_without_rows_and_a_report_without_pairs_have_no_section(tmp_path: Path) -> None:
    saved(tmp_path, A, scores(20, 10, 1), architecture__name="unheard-of")
    ids = [a.get("id") for a in Page(made(read(sources(tmp_path, ())))).named("section")]
    assert ids == ["results", "believed", "manifests", "reading"]


def test_runs_of_part_of_a_split_say_so_wherever_their_number_stands(tmp_path: Path) -> None:
    part = {"name": "madeup", "n": 200, "of": 50_000, "classes": 10, "digest": "same", "fingerprint": "f"}
    saved(tmp_path, A, scores(200, 10, 1), dataset=part)
    report = read(sources(tmp_path, ()))
    assert "200 of 50000 images" in summary(report)
    assert "200 of 50000" in runs.runs(report).rows[0][3].text


@pytest.mark.parametrize(("size", "words"), [(312_400, "312 kB"), (20, "1 kB"), (1_440_000, "1.4 MB")])
def test_sizes_are_said_in_words(size: int, words: str) -> None:
    assert size_words(size) == words
