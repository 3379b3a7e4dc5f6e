"""Tests of ``jpeg``: the pictures are those of Pillow's files, bit for bit, in every batch and on every path."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from toys import ToyPlugin

from benchsuite import BadParameter, Perturbation, load_plugins
from benchsuite.evaluation.question import RunRequest
from benchsuite.models.input_normalization import InputNormalization
from benchsuite.models.perturbed_batch import PerturbedBatch, perturbed
from benchsuite.progress import Progress
from benchsuite.runs.run import run
from benchsuite.specs.dataset import Sample
from benchsuite.specs.parameters import bind, perturbation, views
from benchsuite.specs.preprocess import Preprocess, center
from benchsuite.storage.keys import view_key
from benchsuite.storage.run_folder import read_predictions
from benchsuite.testing import check_perturbation

CATALOG = load_plugins(entry_points=False, extra=[ToyPlugin()])
UNIT = Preprocess(32, 32, "bilinear", (0.0,) * 3, (1.0,) * 3)


def change(text: str) -> Perturbation:
    found = perturbation(bind(text, lambda name: CATALOG.find("protocol", name)))
    assert found is not None
    return found


def seen(pixels: Any, text: str) -> Any:
    """What the network sees of pictures: uint8 (n, h, w, 3) -> float32 (n, 3, h, w) in [0, 1]."""
    samples = [Sample(str(i), 0, "memory") for i in range(len(pixels))]
    x = InputNormalization(UNIT, torch.device("cpu")).unit(torch.from_numpy(pixels))
    return perturbed(change(text), x, PerturbedBatch(samples, torch.device("cpu")))


def noise(*shape: int) -> Any:
    """Noise that becomes smoother from picture to picture."""
    drawn = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    return np.stack([np.clip(image / (1 + i) + 60, 0, 255).astype(np.uint8) for i, image in enumerate(drawn)])


@settings(max_examples=40)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 100),
    st.sampled_from(["4:2:0", "4:2:2", "4:4:4"]),
    st.integers(0, 9),
)
def test_the_pictures_are_those_of_pillows_files(
    tmp_path_factory: pytest.TempPathFactory, height: int, width: int, quality: int, subsampling: str, seed: int
) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    got = seen(pixels, f"jpeg:quality={quality},subsampling={subsampling}")
    folder = tmp_path_factory.mktemp("files")
    for i, image in enumerate(pixels):
        Image.fromarray(image).save(folder / f"{i}.jpg", quality=quality, subsampling=subsampling)
    read = np.stack([np.asarray(Image.open(folder / f"{i}.jpg").convert("RGB")) for i in range(2)])
    assert torch.equal((got * 255).round().to(torch.uint8), torch.from_numpy(read).permute(0, 3, 1, 2))
    assert torch.equal(got, InputNormalization(UNIT, torch.device("cpu")).unit(torch.from_numpy(read)))


@pytest.mark.parametrize("quality", [1, 10, 75, 90, 95, 100])
def test_the_default_of_subsampling_is_pillows(tmp_path: Path, quality: int) -> None:
    (pixels,) = noise(1, 33, 40)
    Image.fromarray(pixels).save(tmp_path / "picture.jpg", quality=quality)
    read = np.asarray(Image.open(tmp_path / "picture.jpg"))
    (got,) = seen(pixels[None], f"jpeg:quality={quality}")
    assert np.array_equal((got * 255).round().to(torch.uint8).permute(1, 2, 0).numpy(), read)


def test_the_default_of_quality_is_pillows(tmp_path: Path) -> None:
    (pixels,) = noise(1, 16, 16)
    Image.fromarray(pixels).save(tmp_path / "picture.jpg")
    (got,) = seen(pixels[None], "jpeg")
    assert np.array_equal(
        (got * 255).round().permute(1, 2, 0).numpy(), np.asarray(Image.open(tmp_path / "picture.jpg"))
    )


def test_a_picture_is_the_same_alone_and_in_any_batch() -> None:
    pixels = noise(5, 24, 24)
    whole = seen(pixels, "jpeg:quality=20")
    assert torch.equal(torch.cat([seen(pixels[i : i + 1], "jpeg:quality=20") for i in range(5)]), whole)
    assert torch.equal(seen(pixels[::-1].copy(), "jpeg:quality=20").flip(0), whole)


def test_pixels_between_two_levels_are_rounded_and_those_outside_are_cut_off() -> None:
    x = torch.tensor([-0.3, 0.4, 0.6, 254.4, 254.6, 300.0]).div(255).view(1, 1, 6, 1).expand(1, 3, 6, 8).contiguous()
    levels = torch.tensor([0, 0, 1, 254, 255, 255], dtype=torch.float32).div(255).view(1, 1, 6, 1).expand(1, 3, 6, 8)
    p = change("jpeg:quality=100,subsampling=4:4:4")
    batch = PerturbedBatch([Sample("a", 0, "memory")], torch.device("cpu"))
    assert torch.equal(perturbed(p, x, batch), perturbed(p, levels.contiguous(), batch))


@pytest.mark.parametrize("text", ["jpeg", "jpeg:quality=1", "jpeg:quality=100,subsampling=4:4:4"])
def test_it_keeps_the_contract_of_a_perturbation(text: str) -> None:
    check_perturbation(change(text))


def test_a_lower_quality_is_further_from_the_picture() -> None:
    pixels = noise(4, 32, 32)
    away = [
        float((seen(pixels, f"jpeg:quality={q}") - torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255).square().mean())
        for q in (100, 75, 50, 25, 5)
    ]
    assert away == sorted(away)
    assert away[0] < away[-1]


def test_each_quality_and_subsampling_is_a_view_of_its_own() -> None:
    texts = ["jpeg:quality=30", "jpeg:quality=75", "jpeg:quality=75,subsampling=4:4:4"]
    bounds = [bind(text, lambda name: CATALOG.find("protocol", name)) for text in texts]
    made = [views(bound, UNIT, mirror=True)[0] for bound in bounds]
    assert len({view_key(view) for view in (*made, center(UNIT))}) == 4
    assert [bound.label for bound in bounds] == texts
    nested = bind("ensemble:protocol=jpeg(quality=30,subsampling=4:4:4)", lambda name: CATALOG.find("protocol", name))
    assert nested.inner is not None
    assert nested.inner.label == "jpeg:quality=30,subsampling=4:4:4"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jpeg:quality=0", "quality of jpeg to be a whole number from 1 to 100, such as 75, got 0"),
        ("jpeg:quality=101", "from 1 to 100, such as 75, got 101"),
        ("jpeg:quality=-5", "from 1 to 100, such as 75, got -5"),
        ("jpeg:quality=7.5", "quality to be a whole number, got 7.5"),
        ("jpeg:quality=75%", "quality to be a whole number, got 75%"),
        ("jpeg:quality=", "quality to be a whole number, got nothing"),
        ("jpeg:subsampling=4:1:1", "subsampling to be one of 4:2:0, 4:2:2, 4:4:4, got 4:1:1"),
        ("jpeg:of=noise", "of of jpeg to be a protocol of one network that does not change pixels"),
    ],
)
def test_a_wrong_parameter_is_one_line(text: str, said: str) -> None:
    with pytest.raises(BadParameter) as caught:
        change(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_status == 2


def test_a_run_counts_the_errors_of_the_compressed_pictures(tmp_path: Path) -> None:
    """The toy network's logits are the mean red and green of a crop, which are computed from Pillow's files here."""
    request = RunRequest(("toy",), ("1crop", "jpeg:quality=5"), data="toy", device="cpu", results=tmp_path)
    clean, compressed = run(request, CATALOG, Progress())
    assert clean["protocol"] == "1crop"
    frame = read_predictions(Path(compressed["path"]))
    split = CATALOG.find("dataset", "toy").open(None, "test")
    wrong = []
    for sample in split.samples:
        image = split.read(sample)
        left = round(float(Fraction(image.shape[1] - 4, 2)))
        Image.fromarray(image[0:4, left : left + 4]).save(tmp_path / "crop.jpg", quality=5)
        red, green = np.asarray(Image.open(tmp_path / "crop.jpg"), dtype=np.float64).mean(axis=(0, 1))[:2]
        wrong.append((sample.label == 0) != bool(red >= green))
    assert [bool(rank >= 1) for rank in frame["rank"]] == wrong
