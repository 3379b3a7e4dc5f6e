"""Tests of opening a loader: for the views, with its decoder in the keys, and never mixed with others."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from jpeg_folder import encoded, folder, picture
from toy_evaluation import CATALOG, counting_reads
from toys import TOP1_ERRORS

from benchsuite import BadParameter, Crop, DataError, Loader, Sample, Split, View
from benchsuite.builtin.loaders import nvjpeg
from benchsuite.evaluation.loading import open_loader
from benchsuite.evaluation.question import RunRequest
from benchsuite.progress import Progress
from benchsuite.runs.run import run
from benchsuite.testing import check_loader


def resized(view: View) -> Any:
    """All images black, at the resize of the view."""

    def images(split: Split, samples: Sequence[Sample], then: Callable[..., Any], workers: int) -> Iterator[Any]:
        for sample in samples:
            split.read(sample)
            side = view.resize if isinstance(view.resize, int) else view.resize[0]
            yield then(np.zeros((side, side + 1, 3), np.uint8), 0.0)

    return images


BLACK = Loader("black", None, False, "no light", resized=resized, decoder=lambda: "black 7")
LOADERS = {**CATALOG.loaders, "black": BLACK}
WITH_BLACK = dataclasses.replace(CATALOG, loaders=LOADERS)


def toy(results: Path, *protocols: str, **fields: Any) -> RunRequest:
    return RunRequest(("toy",), protocols, "toy", **{"device": "cpu", "results": results, **fields})


def test_a_loader_that_resizes_is_opened_at_the_resize_of_its_views() -> None:
    split = CATALOG.open_dataset("toy")[1]
    views = (View(9, Crop(4)), View(9, Crop(5), flip=True))
    opened = open_loader(BLACK, split, split.samples, views, "toy", print)
    assert opened.images is not None
    assert next(opened.images(split, split.samples, lambda pixels, _: pixels, 0)).shape == (9, 10, 3)
    check_loader(BLACK)
    check_loader(dataclasses.replace(BLACK, resized=lambda view: resized(View(view.resize))))


def test_views_of_several_resizes_are_refused_in_one_line() -> None:
    split = CATALOG.open_dataset("toy")[1]
    views = (View(9, Crop(4)), View(8, Crop(4)), View(9, Crop(4), interpolation="bicubic"))
    rule = r"^Expected --loader black to be used for views of one resize, .*got 9 bilinear, 8 bilinear, 9 bicubic "
    with pytest.raises(BadParameter, match=rule):
        open_loader(BLACK, split, split.samples, views, "toy", print)


def test_what_is_missing_is_said_before_any_image_is_read() -> None:
    def missing() -> str:
        raise DataError("Expected black to be installed")

    split = CATALOG.open_dataset("toy")[1]
    with pytest.raises(DataError, match=r"^Expected black to be installed$"):
        open_loader(dataclasses.replace(BLACK, decoder=missing), split, split.samples, (View(9),), "toy", print)


@pytest.mark.parametrize("name", ["nvjpeg", "dali:gpu"])
def test_a_loader_that_decodes_on_a_device_takes_that_of_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Two pretended cards; a run that computes on the CPU leaves the choice to the libraries."""
    named, decoded = list[str](), list[str]()

    class Decoder:
        def __init__(self, view: View, threads: int, device: str) -> None:
            self.device = device

        def __call__(self, files: Any) -> Any:
            return [image.permute(1, 2, 0).numpy() for image in by_library(files, "RGB", self.device)]

    def by_library(files: Any, mode: str, device: str) -> Any:
        decoded.append(device)
        return [torch.zeros(3, 9, 9, dtype=torch.uint8) for _ in files]

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: named.append(device) or f"the card {device}")
    monkeypatch.setattr(nvjpeg, "function", lambda: ("torchcodec 1.0", by_library))
    monkeypatch.setitem(sys.modules, "nvidia.dali", SimpleNamespace(__version__="2.4.0"))
    pipelines = "benchsuite.builtin.loaders._dali_pipelines"
    monkeypatch.setitem(sys.modules, pipelines, SimpleNamespace(Decoder=Decoder))
    split = CATALOG.open_dataset(f"folder:{folder(tmp_path, {'a.jpg': encoded(picture())})}")[1]
    for resident in ("", ",resident"):
        loader = CATALOG.loader(name + resident)
        for device, wanted in (("cuda:1", "cuda:1"), ("cuda", "cuda"), ("cpu", "cuda")):
            opened = open_loader(loader, split, split.samples, (View(9),), "x", print, device=device)
            assert (opened.name, opened.resident) == (name, bool(resident))
            assert opened.decoder is not None
            assert opened.decoder().endswith(f", the card {wanted}")
            assert opened.images is not None
            assert len(list(opened.images(split, split.samples[:1], lambda pixels, _: pixels, 0))) == 1
            assert {*named, *decoded} <= {wanted}
            assert decoded or resident  # an image that is kept is not decoded again
            named.clear()
            decoded.clear()


def test_other_pixels_have_a_run_and_logits_of_their_own_and_are_labelled(tmp_path: Path) -> None:
    said: list[str] = []

    class Told(Progress):
        def note(self, text: str) -> None:
            said.append(text)

    (exact,) = run(toy(tmp_path, "1crop"), WITH_BLACK, Progress())
    (black,) = run(toy(tmp_path, "1crop", loader="black"), WITH_BLACK, Told())
    (kept,) = run(toy(tmp_path, "1crop", loader="black,resident", fresh=True), WITH_BLACK, Told())
    (again,) = run(toy(tmp_path, "1crop", fresh=True), WITH_BLACK, Progress())
    assert exact["top1_errors"] == again["top1_errors"] == TOP1_ERRORS["1crop"]
    assert black["top1_errors"] != exact["top1_errors"]
    assert (exact["exact"], black["exact"], kept["exact"]) == (True, False, False)
    assert black["run_id"] == kept["run_id"] != exact["run_id"] == again["run_id"]
    assert black["top1_errors"] == kept["top1_errors"]
    assert said.count("black does not give the reference decoder's pixels: no light") == 2
    manifests = [json.loads(Path(row["path"], "manifest.json").read_text()) for row in (exact, black)]
    assert [m["numerics"].get("decoder") for m in manifests] == [None, "black 7"]


def test_logits_of_another_version_of_a_decoder_are_not_used(tmp_path: Path) -> None:
    reads: list[str] = []
    catalog = counting_reads(WITH_BLACK, reads)
    counts = []
    for number, version in enumerate(("7", "7", "8")):
        black = dataclasses.replace(BLACK, decoder=lambda version=version: f"black {version}")
        loaders = dataclasses.replace(catalog, loaders={"black": black})
        run(toy(tmp_path / str(number), "1crop", loader="black"), loaders, Progress())
        counts.append(len(reads))
    assert counts == [5, 5, 10]
