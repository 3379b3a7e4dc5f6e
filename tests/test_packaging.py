"""Tests of packaging: the installed files are those of the repository; CI runs the command of the README."""

import importlib
import os
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import benchsuite
from benchsuite.specs.catalog import BUILT_IN

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]


@pytest.mark.skipif("BENCHSUITE_EXPECT_INSTALLED" not in os.environ, reason="only the wheel is installed apart")
@pytest.mark.parametrize("package", PACKAGES)
def test_the_tests_import_the_installed_wheel(package):
    where = Path(importlib.import_module(package).__file__)
    assert "site-packages" in where.parts
    assert ROOT not in where.parents or ".tox" in where.relative_to(ROOT).parts


def test_every_package_of_the_repository_is_installed():
    folders = {p.parent.relative_to(ROOT).as_posix() for p in (ROOT / "benchsuite").rglob("__init__.py")}
    renamed = {folder: name for name, folder in PROJECT["tool"]["setuptools"]["package-dir"].items()}
    found = {renamed.get(folder, folder.replace("/", ".")) for folder in (*folders, "plugins", "protocols")}
    assert found == set(PACKAGES)


@pytest.mark.parametrize("package", BUILT_IN)
def test_every_module_of_a_built_in_package_is_installed(package):
    installed = {p.name for p in resources.files(package).iterdir() if p.name.endswith(".py")}
    folder = PROJECT["tool"]["setuptools"]["package-dir"].get(package, package.replace(".", "/"))
    assert installed == {p.name for p in (ROOT / folder).glob("*.py")}


def test_every_file_of_the_packages_that_is_no_module_is_installed():
    renamed = {folder: name for name, folder in PROJECT["tool"]["setuptools"]["package-dir"].items()}
    folders = {package: package.replace(".", "/") for package in PACKAGES} | {v: k for k, v in renamed.items()}
    files = {
        (package, path.name)
        for package, folder in folders.items()
        for path in (ROOT / folder).iterdir()
        if path.is_file() and path.suffix not in (".py", ".pyc")
    }
    assert {("benchsuite", "py.typed"), ("benchsuite.explanation", "published.csv")} <= files
    assert {(package, name) for package, name in files if not (resources.files(package) / name).is_file()} == set()


def test_the_version_is_written_once():
    assert benchsuite.__version__ == PROJECT["project"]["version"]


def test_continuous_integration_runs_the_test_command_of_the_readme():
    last = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()[-1]
    assert last.endswith("tox")
    assert last in (ROOT / "README.md").read_text(encoding="utf-8")
