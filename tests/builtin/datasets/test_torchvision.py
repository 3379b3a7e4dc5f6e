"""Tests of downloads by torchvision's addresses: its checksums, servers that fail, archives that are damaged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import download_server
import pytest
import torchvision.datasets
from download_server import IMAGES, Server
from recorded_progress import RecordedProgress

from benchsuite import DataError, StorageError, load_plugins
from benchsuite.builtin.datasets import _torchvision

DATASETS = load_plugins(entry_points=False).datasets


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with download_server.serving(tmp_path / "server") as served:
        download_server.tiny_copies(served, monkeypatch)
        yield served


def fetch(name: str, folder: Path) -> RecordedProgress:
    progress = RecordedProgress()
    folder.mkdir()
    run = DATASETS[name].fetch
    assert run is not None
    run(str(folder), progress.start, progress.advance)
    return progress


@pytest.mark.parametrize("name", IMAGES)
def test_what_is_downloaded_opens(server: Server, tmp_path: Path, name: str) -> None:
    progress = fetch(name, tmp_path / "got")
    split = DATASETS[name].open(str(tmp_path / "got"), "test")
    assert len(split.samples) == IMAGES[name]
    assert DATASETS[name].open(str(tmp_path / "got"), "train").samples
    assert progress.done == progress.total > 0
    assert not list((tmp_path / "got").glob("*.tar.gz"))


def test_a_second_address_is_tried(server: Server, tmp_path: Path) -> None:
    fetch("mnist", tmp_path / "got")
    assert server.asked[:2] == ["/gone/train-images-idx3-ubyte.gz", "/mnist/train-images-idx3-ubyte.gz"]


@pytest.mark.parametrize("name", IMAGES)
def test_another_checksum_is_one_line_with_file_address_and_both_sums(
    server: Server, tmp_path: Path, name: str
) -> None:
    for path in (p for p in server.folder.rglob("*") if p.suffix in (".gz", ".mat")):
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    line = (
        rf"the download of (\S+) to be a file with MD5 [0-9a-f]{{32}}, got none \(.*{server.address}/\S+: a file with"
    )
    with pytest.raises(DataError, match=line) as refused:
        fetch(name, tmp_path / "got")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_a_download_that_is_cut_off_is_one_line(server: Server, tmp_path: Path, name: str) -> None:
    server.cut = True
    with pytest.raises(DataError, match=r"got none \(.*IncompleteRead\(.* more expected") as refused:
        fetch(name, tmp_path / "got")
    assert "\n" not in str(refused.value)


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with download_server.serving(tmp_path) as gone:
        address = gone.address
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "url", f"{address}/x.tar.gz")
    with pytest.raises(DataError, match=rf"got none \({address}/x.tar.gz: .*Connection refused"):
        fetch("cifar10", tmp_path / "got")


def test_a_damaged_archive_with_the_right_checksum_is_one_line(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = server.folder / "cifar-10-python.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-200])
    monkeypatch.setattr(torchvision.datasets.CIFAR10, "tgz_md5", download_server.md5(archive))
    with pytest.raises(DataError, match=r"cifar-10-python.tar.gz to be a whole tar archive"):
        fetch("cifar10", tmp_path / "got")


def test_a_disk_that_is_full_is_no_fault_of_the_server(server: Server, tmp_path: Path) -> None:
    (tmp_path / "got").mkdir()
    (tmp_path / "got" / "cifar-10-python.tar.gz.partial").symlink_to("/dev/full")
    run = DATASETS["cifar10"].fetch
    assert run is not None
    with pytest.raises(StorageError, match=r"Cannot write .*cifar-10-python.tar.gz: No space left on device"):
        run(str(tmp_path / "got"), lambda *_: None, lambda *_: None)


@pytest.mark.parametrize("kind", ["CIFAR10", "CIFAR100", "MNIST", "FashionMNIST", "SVHN"])
def test_the_installed_torchvision_names_addresses_and_checksums(kind: str) -> None:
    found = list(_torchvision.remotes(getattr(torchvision.datasets, kind)))
    assert found
    for remote in found:
        assert remote.urls
        assert all(re.fullmatch(rf"https?://\S+/{re.escape(remote.name)}", url) for url in remote.urls)
        assert re.fullmatch("[0-9a-f]{32}", remote.md5)
