"""Tests of the reporters: special characters are escaped, and numbers are read back unchanged."""

import csv
import io
import re
from pathlib import Path

import pytest
from exported_runs import A, B, of_imagenet

from benchsuite import load_plugins
from benchsuite.builtin.reporters import tables
from benchsuite.runs.export import finished
from benchsuite.testing import check_reporter

NASTY = ["a|b", "back\\slash", "line\nbreak", "50%", "x_y", "_x_", "{z}", "$1", "~", "^", "a & b", "#1", "<b>", "`c`"]
NASTY += ["[link](http://e)", "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", 'quo"te', "comma,comma", "Größe"]


def row(architecture="resnet50", **changes):
    return {
        "run_id": "id",
        "path": "results/runs/id",
        "architecture": architecture,
        "weights": "IMAGENET1K_V1",
        "protocol": "10crop:merge=logit",
        "dataset": "imagenet",
        "n": 500,
        "top1_errors": 58,
        "top1_error": 11.6,
        "top1_interval": [9.081365651103795, 14.70418369634342],
        "top5_errors": 7,
        "top5_error": 1.4,
        "views": 10,
        "precision": "fp32",
        "loader": "pillow",
        "images_per_second": None,
        "seconds": {"decode": 1.0, "wait": 0.0, "resize": 0.5, "forward": 2.0, "total": 3.5},
        "cached": False,
        "limit": 500,
        "near_ties": {"top1": 0, "top5": 0, "tolerance": 1e-5},
        "of": 50_000,
        "resize": [(32, 40), 256],
        "crop": [224],
        "interpolation": ["bilinear"],
        **changes,
    }


def test_the_three_reporters_are_found():
    catalog = load_plugins(entry_points=False)
    assert {"markdown", "csv", "latex"} <= set(catalog.reporters)
    for name in ("markdown", "csv", "latex"):
        assert catalog.reporters[name].render([row()]).endswith("\n")


@pytest.mark.parametrize("name", NASTY)
def test_a_markdown_table_keeps_its_columns_whatever_a_name_holds(name):
    lines = tables.as_markdown([row(), row(name)]).splitlines()
    assert len(lines) == 4
    assert {len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in lines} == {11}


def test_markdown_shows_the_names_as_they_are():
    assert tables.markdown_cell("IMAGENET1K_V1") == "IMAGENET1K_V1"
    assert tables.markdown_cell("11.60 [9.08, 14.70]") == "11.60 [9.08, 14.70]"
    assert tables.markdown_cell("a|b") == r"a\|b"
    assert tables.markdown_cell("_x_") == r"\_x\_"
    assert tables.markdown_cell("[link](http://e)") == r"[link\](http://e)"
    assert tables.markdown_cell("<b>") == r"\<b\>"
    assert tables.markdown_cell("a\\|b") == r"a\\\|b"


def test_markdown_of_one_row_by_hand():
    assert tables.as_markdown([row()]).splitlines()[2] == (
        "| resnet50 | IMAGENET1K_V1 | 10crop:merge=logit | imagenet | 500 of 50000 | 11.60 [9.08, 14.70] "
        "| 1.40 [0.68, 2.86] | 10 |  | 1.0 / 0.0 / 2.0 |"
    )


@pytest.mark.parametrize("name", NASTY)
def test_csv_reads_back_what_was_measured_and_never_starts_a_formula(name):
    found = list(csv.DictReader(io.StringIO(tables.as_csv([row(name)]))))
    assert len(found) == 1
    cell = found[0]["architecture"]
    assert cell.removeprefix("'") == name
    assert cell[0] not in "=+-@\t\r\n"


def test_csv_has_every_key_unrounded():
    found = next(csv.DictReader(io.StringIO(tables.as_csv([row()]))))
    assert float(found["top1_interval_low"]) == 9.081365651103795
    assert (found["n"], found["top1_errors"], found["top1_error"]) == ("500", "58", "11.6")
    assert (found["seconds_forward"], found["near_ties_tolerance"]) == ("2.0", "1e-05")
    assert (found["resize"], found["crop"], found["images_per_second"]) == ("32x40+256", "224", "")


def test_csv_of_rows_with_different_keys_has_the_columns_of_both():
    found = list(csv.DictReader(io.StringIO(tables.as_csv([row(), row(extra=1)]))))
    assert [r["extra"] for r in found] == ["", "1"]


def test_csv_of_an_error_that_there_is_none_of_is_empty():
    (found,) = csv.DictReader(io.StringIO(tables.as_csv([row(real_n=0, real_error=None, real_interval=None)])))
    assert [found[key] for key in ("real_n", "real_error", "real_interval_low", "real_interval_high")] == [
        "0",
        "",
        "",
        "",
    ]


def test_exported_runs_have_the_same_columns_whatever_they_hold(tmp_path):
    plain = finished(of_imagenet(tmp_path, A))
    counts = plain.manifest["counts"] | {"real_n": 70, "real_errors": 9, "vanished": 2}
    other = finished(of_imagenet(tmp_path, B, counts=counts))
    lines = [list(csv.reader(io.StringIO(tables.runs_as_csv(runs)))) for runs in ([plain], [other, plain])]
    assert lines[0][0] == lines[1][0] == list(tables.EXPORTED)
    assert lines[0][1] == lines[1][2]


def test_the_page_describes_every_exported_column():
    page = (Path(__file__).resolve().parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    section = page.partition("## csv")[2].partition("## ")[0]
    heads = [line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")]
    assert [name for head in heads for name in re.findall("`([a-z0-9_]+)`", head)] == list(tables.EXPORTED)


def test_exported_counts_and_errors_are_unrounded(tmp_path):
    counts = {"real_n": 70, "real_errors": 9}
    plain = finished(of_imagenet(tmp_path, A)).manifest["counts"]
    run = finished(of_imagenet(tmp_path, A, counts=plain | counts))
    (found,) = csv.DictReader(io.StringIO(tables.runs_as_csv([run])))
    for rate in run.rates:
        assert int(found[f"{rate.name}_errors"]) == rate.errors
        assert float(found[f"{rate.name}_error"]) == 100 * rate.errors / rate.n
        ends = [float(found[f"{rate.name}_interval_{end}"]) for end in ("low", "high")]
        assert ends == [100 * bound for bound in rate.interval]
    assert (found["real_n"], found["weights_digest"], found["seed"]) == ("70", "d", "0")
    assert (found["command"], found["created"]) == (f"benchsuite run {A}", "2026-01-01T00:00:00+00:00")


@pytest.mark.parametrize("name", NASTY)
def test_a_latex_tabular_keeps_its_columns_whatever_a_name_holds(name):
    lines = tables.as_latex([row(name)]).splitlines()
    body = [line for line in lines if line.endswith(r" \\")]
    assert len(body) == 2
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {9}
    assert all(not re.search(r"(?<!\\)[%$#_^~]", line) for line in body)
    assert lines[0] == r"\begin{tabular}{llllrrrrrr}"
    assert lines[-1] == r"\end{tabular}"


def test_latex_spells_special_characters_out():
    assert tables.tex_cell("a\\b{c}~^") == r"a\textbackslash{}b\{c\}\textasciitilde{}\textasciicircum{}"
    assert tables.tex_cell("50% & x_y #1 $2 <|>") == (r"50\% \& x\_y \#1 \$2 \textless{}\textbar{}\textgreater{}")


@pytest.mark.parametrize("render", [tables.as_markdown, tables.as_csv, tables.as_latex])
def test_no_rows_make_an_empty_table(render):
    assert "resnet" not in render([])


@pytest.mark.parametrize("reporter", tables.benchsuite_reporters(), ids=lambda r: r.name)
def test_the_reporters_keep_their_contract(reporter):
    check_reporter(reporter)
