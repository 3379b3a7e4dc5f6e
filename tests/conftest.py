"""Fixtures: an isolated cache and home, the site, a browser, and the real images of BENCHSUITE_TEST_DATA."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from opened_pages import CHROMIUM

settings.register_profile("tests", deadline=None, derandomize=True)
settings.load_profile("tests")

LONG = ["plugins/test_cifar_resnet.py", "test_gpu_check.py", "test_crashes.py", "test_end_to_end.py", "test_example.py"]
LONG += ["builtin/datasets/test_copies.py", "runs/cluster/test_on_ray.py", "builtin/loaders/test_ffcv.py"]
LONG += ["distributed/test_process_group.py", "runs/test_parallel.py", "test_site.py", "test_transcripts.py"]
LONG += ["test_notebook.py", "cli/test_run.py", "models/test_network.py", "test_conformance.py"]
"""Files with tests of many seconds. They come first: one that came last would keep one process busy alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Orders the files, with ``--no-loadscope-reorder`` also for several processes; those of one file stay together."""
    places = {Path(__file__).parent / name: number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(autouse=True, scope="session")
def interruptible() -> None:
    """Ctrl-C interrupts the tests, also if they run in the background of a shell that ignores it there."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def isolated(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A separate home, cache and results folder for each test, and no config file."""
    root = tmp_path_factory.mktemp("isolated")
    for name in ("home", "cache", "config/benchsuite", "results", "torch", "hub"):
        (root / name).mkdir(parents=True)
    monkeypatch.setenv("HOME", str(root / "home"))
    monkeypatch.setenv("BENCHSUITE_CACHE", str(root / "cache"))
    monkeypatch.setenv("BENCHSUITE_CONFIG", "0")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(root / "config"))
    monkeypatch.setenv("BENCHSUITE_RESULTS", str(root / "results"))
    monkeypatch.setenv("TORCH_HOME", str(root / "torch"))
    monkeypatch.setenv("HF_HOME", str(root / "hub"))
    monkeypatch.delenv("BENCHSUITE_DATA", raising=False)
    monkeypatch.delenv("COLUMNS", raising=False)  # set to the width of the terminal if tests run in several processes
    return root


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site of the docs, built once."""
    pytest.importorskip("furo", reason="the site is not built: pip install 'benchsuite[docs]'")
    pytest.importorskip("myst_parser")
    root, folder = Path(__file__).resolve().parents[1], tmp_path_factory.mktemp("site")
    options = ["--fail-on-warning", "--keep-going", "--quiet", "--conf-dir", str(root / "docs")]
    build = [sys.executable, "-m", "sphinx", *options, "-d", str(folder / "trees"), str(root), str(folder / "html")]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One headless Chromium for all tests of a file."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium, chromium-browser or google-chrome on the PATH")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM)
        yield opened
        opened.close()


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Torch computes in one thread, so that sums are the same on every machine."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def _unpacked(tmp_path_factory: pytest.TempPathFactory, archive: str, folder: str) -> Path:
    """A folder of BENCHSUITE_TEST_DATA, or of an archive there, which is unpacked once for all processes of the tests.

    By ``tar``, which is several times faster for 60,000 files than ``tarfile``.
    """
    data = os.environ.get("BENCHSUITE_TEST_DATA")
    if not data:
        pytest.skip("BENCHSUITE_TEST_DATA does not name the folder of the real images")
    if (Path(data) / folder).is_dir():
        return Path(data) / folder
    if not (Path(data) / archive).is_file():
        pytest.skip(f"no {archive} in {data}")
    base = tmp_path_factory.getbasetemp()
    root = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    with (root / f"{archive}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (root / f"{archive}.unpacked").exists():
            command = [
                "tar",
                "--extract",
                "--no-same-owner",
                "--file",
                str(Path(data) / archive),
                "--directory",
                str(root),
            ]
            subprocess.run(command, check=True)
            (root / f"{archive}.unpacked").touch()
    return root / folder


@pytest.fixture(scope="session")
def imagenet500(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 500 ImageNet images as val/WNID/*.JPEG, one for every second class."""
    return _unpacked(tmp_path_factory, "imagenet-500.tar", "imagenet-500")


@pytest.fixture(scope="session")
def cifar10_jpeg(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with CIFAR-10 as JPEG files of low quality: train/CLASS and test/CLASS."""
    return _unpacked(tmp_path_factory, "cifar10-jpeg.tar.gz", "cifar10-jpeg")
