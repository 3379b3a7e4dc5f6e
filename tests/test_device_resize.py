"""Tests of whole evaluations whose images are resized on the device, here a CPU: the bytes of the host's resize."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import crash_plugin
import numpy as np
import pytest
import torch
from PIL import Image
from recorded_progress import RecordedProgress
from toy_evaluation import CATALOG
from toys import one_by_one

from benchsuite import BadParameter, Crop, Loader, Sample, Split, View, distinct, load_plugins
from benchsuite.evaluation.question import ImageSource, RunRequest
from benchsuite.evaluator import OpenNetwork, Settings, fill
from benchsuite.models.device import Compute
from benchsuite.models.network import Network
from benchsuite.models.resize import device_views
from benchsuite.runs.profile import profile
from benchsuite.runs.run import run
from benchsuite.specs.parameters import bind, finder, views
from benchsuite.storage.logit_cache import ChunkStore

FIND = finder(load_plugins(entry_points=False).protocols)
TEXTS = ("1crop", "10crop", "lowpass:r=3,on=image", "noise:of=10crop", "pgd:steps=1", "tta")
LOADER = Loader("plain", one_by_one, exact=True, note="For tests.")
SIZES = ((9, 9), (30, 40), (40, 30), (30, 40), (8, 21), (1, 3), (64, 17))


def split(count: int = 21) -> Split:
    """Decoded images of noise, of a few sizes."""

    def read(sample: Sample) -> Image.Image:
        height, width = SIZES[int(sample.id) % len(SIZES)]
        drawn = np.random.default_rng(int(sample.id)).integers(0, 256, (height, width, 3), dtype=np.uint8)
        return Image.fromarray(drawn)

    samples = tuple(Sample(f"{i:05}", i % 7, f"image {i}", "1") for i in range(count))
    return Split("noise", samples, crash_plugin.CLASSES, mirror=True, read=read)


def asked() -> tuple[View, ...]:
    made = (v for text in TEXTS for v in views(bind(text, FIND), crash_plugin.PREPROCESS, mirror=True))
    return distinct((*made, View(9, Crop(8), antialias=False), View(9, Crop(12), pad=2, border="reflect")))


def computed(store: Path, *, on_device: bool, ahead: bool, batch_size: int) -> tuple[list[Any], list[Any], Any]:
    """The logits of each chunk, the shapes of the batches, and what resized."""
    torch.manual_seed(0)
    network = Network(crash_plugin.build(7), crash_plugin.PREPROCESS, Compute(), {})
    shapes: list[Any] = []

    def begin(pixels: Any, *rest: Any) -> Any:
        shapes.append(tuple(pixels.shape))
        return network.begin(pixels, *rest)

    opened = OpenNetwork(
        lambda *batch: begin(*batch)(),
        asked(),
        ChunkStore(store),
        "digest",
        start=begin if ahead else None,
        resizer=network.resizer() if on_device else None,
    )
    images = split()
    chunks = [images.samples[i : i + 8] for i in range(0, 21, 8)]
    found = list(fill(opened, ImageSource(images, LOADER), chunks, Settings(batch_size, 0), lambda _: None))
    return found, shapes, opened.resizer


@pytest.mark.parametrize("ahead", [False, True])
@pytest.mark.parametrize("batch_size", [3, 64])
def test_every_logit_has_the_bits_of_the_hosts_resize(
    tmp_path: Path, one_thread: None, ahead: bool, batch_size: int
) -> None:
    host, by_host, _ = computed(tmp_path / "host", on_device=False, ahead=ahead, batch_size=batch_size)
    there, by_device, resizer = computed(tmp_path / "there", on_device=True, ahead=ahead, batch_size=batch_size)
    assert by_host == by_device
    assert (resizer.on_device, resizer.on_host, resizer.refused) == (21, 0, "")
    for one, other in zip(host, there, strict=True):
        assert one.keys() == other.keys()
        for view in one:
            assert all(a.tobytes() == b.tobytes() for a, b in zip(one[view], other[view], strict=True))
    files = [
        {f.relative_to(root): f.read_bytes() for f in root.rglob("*") if f.is_file()}
        for root in (tmp_path / "host", tmp_path / "there")
    ]
    assert files[0] == files[1]


def ran(results: Path, resize_on: str) -> tuple[bytes, dict[str, Any]]:
    """The predictions and the manifest of a run whose images have to be resized."""
    request = RunRequest(("toy",), ("10crop:resize=7",), "toy", device="cpu", results=results, fresh=True)
    (row,) = run(dataclasses.replace(request, resize_on=resize_on), CATALOG, RecordedProgress())
    folder = Path(row["path"])
    return (folder / "predictions.parquet").read_bytes(), json.loads((folder / "manifest.json").read_text())


def test_a_run_is_the_same_but_for_its_profile(tmp_path: Path) -> None:
    (one, host), (other, there) = (ran(tmp_path / place, place) for place in ("host", "device"))
    assert one == other
    assert there["profile"].pop("resized") == {"on_device": 5, "on_host": 0, "refused": ""}
    for manifest in (host, there):
        for measured in ("created", "seconds", "profile", "images_per_second"):
            del manifest[measured]
    assert host == there


def test_a_cpu_resizes_with_pillow_unless_it_is_asked(tmp_path: Path) -> None:
    _, manifest = ran(tmp_path, "auto")
    assert "resized" not in manifest["profile"]
    assert profile(manifest)["resized_on_device"] == 0


def test_what_the_device_refuses_is_in_the_profile_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, _ = ran(tmp_path / "usual", "host")
    monkeypatch.setattr(device_views, "difference", lambda device: "other bits than Pillow here")
    predictions, manifest = ran(tmp_path / "refused", "device")
    assert predictions == usual
    found = profile(manifest)
    assert found["resized_on_device"] == 0
    assert found["advice"][-1] == "The host resized images in place of the device: other bits than Pillow here."


def test_another_place_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(BadParameter, match="Expected --resize-on to be one of auto, host, device, got gpu"):
        ran(tmp_path, "gpu")
