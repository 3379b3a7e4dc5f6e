"""Tests of entry points of installed packages: those that ``importlib.metadata`` finds, and faster."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from benchsuite import installed


def slow(group: str) -> list[tuple[str, ...]]:
    points = metadata.entry_points(group=group)
    return sorted((p.name, p.value, *((p.dist.name, p.dist.version) if p.dist else ("", ""))) for p in points)


@pytest.mark.parametrize("group", ["benchsuite", "console_scripts", "pytest11", "no.such.group"])
def test_the_installed_entry_points_are_those_of_importlib_metadata(group: str) -> None:
    assert [tuple(point) for point in installed.entry_points(group)] == slow(group)


def package(folder: Path, name: str, text: str, *, suffix: str = "-1.0.dist-info", file: str = "METADATA") -> None:
    info = folder / f"{name}{suffix}"
    info.mkdir(parents=True)
    (info / "entry_points.txt").write_text(text, encoding="utf-8")
    (info / file).write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n\nName: not this\n", encoding="utf-8")


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    first, second = tmp_path / "first", tmp_path / "second"
    monkeypatch.setattr(sys, "path", [*sys.path, str(first), str(second)])
    return first, second


def test_every_form_of_a_package_is_read(folders: tuple[Path, Path]) -> None:
    first, second = folders
    package(
        first, "one", "# [toys]\n[other]\na = b\n[toys]\nx=module\n y = module:Thing.part [extra]\n\n[last]\nz = m\n"
    )
    package(first, "two", "[toys]\nw = mod ; a\n", suffix=".egg-info", file="PKG-INFO")
    package(second, "One", "[toys]\nhidden = module\n")
    package(second, "three", "[ toys ]\nq = m:f\n")
    found = [tuple(point) for point in installed.entry_points("toys")]
    assert [point[0] for point in found if point[0] in "xyw"] == ["w", "x", "y"]
    assert [tuple(p) for p in installed.entry_points("last")] == slow("last") == [("z", "m", "one", "1.0")]
    assert "hidden" not in [point[0] for point in found]


def test_what_an_entry_point_names_is_loaded() -> None:
    point = installed.EntryPoint("p", "os:path.join", "package", "1.0")
    assert point.load() is __import__("os").path.join
    assert installed.EntryPoint("p", "json.decoder", "", "").load().__name__ == "json.decoder"
    assert (point.owner, point._replace(package="").owner) == ("p (package 1.0)", "p")


def test_a_package_in_a_zip_file_is_found_by_importlib_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "packages.zip", "w") as archive:
        archive.writestr("toy-1.0.dist-info/entry_points.txt", "[toys]\nx = module\n")
        archive.writestr("toy-1.0.dist-info/METADATA", "Name: toy\nVersion: 1.0\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "packages.zip")])
    assert [tuple(p) for p in installed.entry_points("toys")] == [("x", "module", "toy", "1.0")]
