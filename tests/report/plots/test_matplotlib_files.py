"""Tests of plots as files: complete images, the same bytes each time, and names never parsed as mathematics."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from finished_reports import VIEW, nasty, two_runs
from finished_runs import saved, scores
from finished_trainings import correct, learned
from PIL import Image

from benchsuite import StorageError
from benchsuite.report.content import read
from benchsuite.report.plots import figures, matplotlib_files
from benchsuite.report.sources import sources

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


def test_every_plot_is_a_png_and_an_svg(tmp_path: Path) -> None:
    two_runs(tmp_path)
    saved(tmp_path, "resnet18-10crop-x-c", scores(200, 10, 3), views=[VIEW] * 10, architecture__name="resnet18")
    report = read(sources(tmp_path, ()))
    every = {figure.name: figure for figure in figures.figures(report)}
    wanted = ["error-cost-1", "changes", "pair-bbb-aaa-classes", "calibration-resnet18-10crop-x-c"]
    assert len(every) == 8, "two of cost, the changes, two of classes, three of calibration"
    found = list(matplotlib_files.write([every[name] for name in wanted], tmp_path / "plots", report.palette))
    assert [path.name for path in found] == [f"{name}.{suffix}" for name in wanted for suffix in ("png", "svg")]
    for path in found:
        if path.suffix == ".png":
            with Image.open(path) as image:
                assert 300 < image.width < 3000
                assert len(image.convert("RGB").getcolors(10**6) or []) > 20
        else:
            assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_a_curve_is_a_file_too_with_the_words_of_its_lines(tmp_path: Path) -> None:
    learned(tmp_path, "pnn-a", correct(12, 50), heldout=range(20, 8, -1))
    report = read(sources(tmp_path, ()))
    (curve,) = figures.figures(report)
    png, svg = matplotlib_files.write([curve], tmp_path / "plots", report.palette)
    with Image.open(png) as image:
        assert len(image.convert("RGB").getcolors(10**6) or []) > 20
    texts = "".join(ElementTree.parse(svg).getroot().itertext())
    for words in (
        "How far is the smoothed accuracy from the exact one?",
        "exact, all test images",
        "smoothed, as PNN printed",
        "exact, held-out images",
        "epoch",
        "accuracy %",
    ):
        assert words in texts


def test_the_same_plot_gives_the_same_bytes_and_nasty_names_stay_text(tmp_path: Path) -> None:
    report = nasty(tmp_path)
    wanted = [next(f for f in figures.figures(report) if f.name.endswith(kind)) for kind in ("-bbb", "-classes")]
    folders = (tmp_path / "one", tmp_path / "two")
    first, second = (list(matplotlib_files.write(wanted, folder, report.palette)) for folder in folders)
    assert [a.read_bytes() for a in first] == [b.read_bytes() for b in second]
    texts = "".join(ElementTree.parse(first[-1]).getroot().itertext())
    assert "$x^2$" in texts
    assert "<script>window.broken=1</script>" in texts


def test_without_matplotlib_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name == "matplotlib":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(StorageError, match=r"pip install 'benchsuite\[report\]'"):
        matplotlib_files.check()
