"""A server on this machine with tiny copies of the data sets that may be had freely, named by torchvision's classes."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import pickle
import re
import tarfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import digit_files
import numpy as np
import pytest
import torchvision.datasets

IMAGES = {"cifar10": 6, "cifar100": 5, "mnist": 7, "fashion-mnist": 8, "svhn": 9}
"""The number of test images of each set."""


class Server:
    """The address, the files served, the paths that were asked for, and the ranges.

    ``cut``: only half of a body is sent. ``ranges``: parts of files are sent, if ``careful`` only of a file with the
    ``tag`` that was asked for. ``dated``: there is a date instead of a tag.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.asked, self.cut = folder, list[str](), False
        self.ranges, self.careful, self.tag, self.dated, self.parts = False, True, '"1"', False, list[str | None]()
        self.sent = 0
        self.address = ""


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, served: Server, **rest: Any) -> None:
        self.served = served
        super().__init__(*args, directory=str(served.folder), **rest)

    def do_GET(self) -> None:
        self.served.asked.append(self.path)
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404, "Not here")
            return
        content, served = path.read_bytes(), self.served
        served.parts.append(self.headers.get("Range"))
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")) if served.ranges else None
        if wanted and served.careful and self.headers.get("If-Range") not in (None, served.tag):
            wanted = None
        first = int(wanted[1]) if wanted else 0
        if first >= len(content):
            self.send_error(416, "Not so long")
            return
        body = content[first:]
        self.send_response(206 if wanted else 200)
        self.send_header("Last-Modified" if served.dated else "ETag", served.tag)
        self.send_header("Content-Length", str(len(body)))
        if wanted:
            self.send_header("Content-Range", f"bytes {first}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        body = body[: (len(body) + 1) // 2] if served.cut else body
        served.sent += len(body)
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is printed."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[Server]:
    """Serves the files of a folder."""
    served = Server(folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, served=served)) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        served.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield served
        finally:
            server.shutdown()
            thread.join()


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def tiny_copies(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the copies, and lets the classes of torchvision name this server and these checksums."""
    root, sets = server.folder, torchvision.datasets
    for kind, name in ((sets.MNIST, "mnist"), (sets.FashionMNIST, "fashion-mnist")):
        digit_files.write_mnist(root / name, "t10k", IMAGES[name], packed=True)
        digit_files.write_mnist(root / name, "train", 3, packed=True)
        mirrors = [f"{server.address}/gone/", f"{server.address}/{name}/"]
        monkeypatch.setattr(kind, "mirrors", mirrors)
        monkeypatch.setattr(kind, "resources", [(f, md5(root / name / f)) for f, _ in kind.resources])
    digit_files.write_svhn(root / "svhn", "test", IMAGES["svhn"])
    digit_files.write_svhn(root / "svhn", "train", 3)
    parts = {}
    for part in ("train", "test"):
        file = f"{part}_32x32.mat"
        parts[part] = [f"{server.address}/svhn/{file}", file, md5(root / "svhn" / file)]
    monkeypatch.setattr(sets.SVHN, "split_list", parts)
    train = {f"data_batch_{i}": 2 for i in range(1, 6)}
    cifar(server, monkeypatch, sets.CIFAR10, {"test_batch": IMAGES["cifar10"], **train}, "labels")
    cifar(server, monkeypatch, sets.CIFAR100, {"test": IMAGES["cifar100"], "train": 3}, "fine_labels")


def cifar(server: Server, monkeypatch: pytest.MonkeyPatch, kind: Any, counts: dict[str, int], labels: str) -> None:
    """An archive with tiny batches: ``counts`` has the number of images of each."""
    batches = server.folder / kind.base_folder
    batches.mkdir(parents=True)
    for name, count in counts.items():
        pixels = np.random.default_rng(count).integers(0, 256, (count, 3072), dtype=np.uint8)
        (batches / name).write_bytes(pickle.dumps({"data": pixels, labels: list(range(count))}, protocol=2))
    archive = server.folder / kind.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(batches, batches.name)
    monkeypatch.setattr(kind, "url", f"{server.address}/{archive.name}")
    monkeypatch.setattr(kind, "tgz_md5", md5(archive))
