"""Tests of dali: each image once and in order, its decoder's pixels, DALI's own resize, and lines for what is wrong."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from jpeg_folder import damaged, encoded, folder, kinds, picture

from benchsuite import (
    BadParameter,
    BenchsuiteError,
    Crop,
    DataError,
    Loader,
    Sample,
    Split,
    View,
    decodes,
    file_content,
    load_plugins,
)
from benchsuite.builtin.loaders import dali as module
from benchsuite.data.resize import resize
from benchsuite.specs.view import resized_shape

CATALOG = load_plugins(entry_points=False)
DALI, GPU = CATALOG.loaders["dali"], CATALOG.loaders["dali:gpu"]
SHORT = View(32, Crop(28))


@pytest.fixture(scope="module")
def installed() -> None:
    """Skips the test if DALI is not installed."""
    try:
        DALI.check()
    except DataError as error:
        pytest.skip(str(error))


def opened(root: Path) -> Split:
    return CATALOG.open_dataset(f"folder:{root}")[1]


def pixels_of(split: Split, view: View = SHORT, samples: Any = None, loader: Loader = DALI, workers: int = 0) -> Any:
    assert loader.resized is not None
    images = loader.resized(view)
    return list(images(split, split.samples if samples is None else samples, lambda pixels, _: pixels, workers))


def test_an_image_of_the_wanted_size_has_the_pixels_of_the_reference_decoder(installed: None, tmp_path: Path) -> None:
    """Every kind of file: DALI's decoder on the CPU agrees, and CMYK, PNG and others go to the reference."""
    split = opened(folder(tmp_path, kinds()))
    for sample in split.samples:
        wanted = np.asarray(split.read(sample))
        (found,) = pixels_of(split, View(min(wanted.shape[:2])), [sample])
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("workers", [0, 2])
def test_images_come_once_in_any_order_whatever_is_in_their_batch(
    installed: None, tmp_path: Path, workers: int
) -> None:
    split = opened(folder(tmp_path, kinds()))
    alone = {s.id: pixels_of(split, samples=[s])[0] for s in split.samples}
    order = np.random.default_rng(1).permutation(len(split.samples) * 4) % len(split.samples)
    asked = [split.samples[i] for i in order]
    for sample, found in zip(asked, pixels_of(split, samples=asked, workers=workers), strict=True):
        np.testing.assert_array_equal(found, alone[sample.id])


@pytest.mark.parametrize("view", [SHORT, View(60), View((20, 30)), View(32, interpolation="bicubic")])
def test_the_resize_is_near_that_of_the_reference_and_not_the_same(installed: None, tmp_path: Path, view: View) -> None:
    split = opened(folder(tmp_path, {"a.jpg": encoded(picture(0, 120, 160))}))
    found, image = pixels_of(split, view)[0], np.asarray(split.read(split.samples[0]))
    wanted = resize(image, *resized_shape(120, 160, view), view)
    assert abs(found.shape[0] - wanted.shape[0]) <= 1 >= abs(found.shape[1] - wanted.shape[1])
    if found.shape == wanted.shape:
        apart = np.abs(found.astype(int) - wanted)
        assert 0 < apart.max() < 40
        assert apart.mean() < 3


def test_without_antialias_it_samples_other_pixels(installed: None, tmp_path: Path) -> None:
    split = opened(folder(tmp_path, {"a.jpg": encoded(picture(0, 120, 160))}))
    smooth, sharp = (pixels_of(split, View(32, antialias=antialias))[0] for antialias in (True, False))
    assert smooth.shape == sharp.shape
    assert not np.array_equal(smooth, sharp)


@pytest.mark.parametrize("name", damaged())
def test_a_damaged_or_deep_image_is_one_line_with_its_name(installed: None, tmp_path: Path, name: str) -> None:
    split = opened(folder(tmp_path, {"a.jpg": encoded(picture()), name: damaged()[name]}))
    with pytest.raises(DataError, match=name) as caught:
        pixels_of(split)
    assert "\n" not in str(caught.value)


def test_arrays_are_resized_too(installed: None) -> None:
    split = CATALOG.open_dataset("digits")[1]
    samples = split.samples[:40]
    short = min(np.asarray(split.read(samples[0])).shape[:2])
    for sample, found in zip(samples, pixels_of(split, View(short), samples), strict=True):
        np.testing.assert_array_equal(found, np.asarray(split.read(sample)))


def test_images_with_another_number_than_they_were_given_are_an_error(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchsuite.builtin.loaders import _dali_pipelines

    class Numbers(list[Any]):
        at = list.__getitem__

    class Turned(_dali_pipelines.Decoder):
        """Its images come with the numbers of others."""

        def _built(self, files: bool) -> Any:
            pipeline = super()._built(files)

            def run() -> Any:
                images, numbers = pipeline.run()
                return images, Numbers(np.array(numbers.at(i)) for i in reversed(range(len(numbers))))

            return SimpleNamespace(feed_input=pipeline.feed_input, run=run)

    monkeypatch.setattr(_dali_pipelines, "Decoder", Turned)
    split = opened(folder(tmp_path, kinds()))
    with pytest.raises(BenchsuiteError, match=r"^Expected the images of DALI to be those of \[.*no number is printed$"):
        pixels_of(split)


def test_the_way_of_the_gpu_is_the_same_but_for_its_devices(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No device is here: ``mixed`` becomes the CPU, and copies to and from a device do nothing."""
    from benchsuite.builtin.loaders import _dali_pipelines

    known, asked = _dali_pipelines.fn, list[str]()

    def image(*words: Any, device: str, **more: Any) -> Any:
        asked.append(device)
        return known.decoders.image(*words, device="cpu", **more)

    pretended = SimpleNamespace(
        external_source=known.external_source, resize=known.resize, decoders=SimpleNamespace(image=image)
    )
    monkeypatch.setattr(_dali_pipelines, "fn", pretended)
    monkeypatch.setattr(type(known.external_source(name="x")), "gpu", lambda self: self)
    monkeypatch.setattr(_dali_pipelines.Decoder, "_number", lambda self: None)
    split = opened(folder(tmp_path, kinds()))
    for found, wanted in zip(pixels_of(split, loader=GPU), pixels_of(split), strict=True):
        np.testing.assert_array_equal(found, wanted)
    assert "mixed" in asked


def test_a_pipeline_is_on_the_card_of_its_decoder(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchsuite.builtin.loaders._dali_pipelines import Decoder

    monkeypatch.setattr("torch.cuda.current_device", lambda: 5)
    assert [Decoder(SHORT, 1, device)._number() for device in ("cuda:1", "cuda", None)] == [1, 5, None]


def test_a_filter_that_dali_lacks_and_an_image_that_would_be_too_large_are_refused(
    installed: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rule = "the interpolation with --loader dali to be one of DALI's: nearest, bilinear, bicubic, lanczos, got hamming"
    with pytest.raises(BadParameter, match=rule):
        pixels_of(CATALOG.open_dataset("digits")[1], View(8, interpolation="hamming"))
    monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 10_000)
    split = opened(folder(tmp_path, {"a.jpg": encoded(picture(0, 10, 100))}))
    assert pixels_of(split, View(30))[0].shape == (30, 300, 3)
    with pytest.raises(DataError, match=r"of at most 10000 pixels after its resize, got 100 x 10 .*a\.jpg\)$"):
        pixels_of(split, View(40))


def test_it_is_listed_without_dali_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    program = (
        "import sys\nsys.modules['nvidia.dali'] = sys.modules['torch'] = sys.modules['PIL'] = None\n"
        "import benchsuite\nprint(*benchsuite.load_plugins(entry_points=False).loaders)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "dali dali:gpu ffcv ffcv:lossy nvjpeg torch" in done.stdout
    monkeypatch.setitem(sys.modules, "nvidia.dali", None)
    with pytest.raises(DataError, match=r"^Expected NVIDIA DALI to be installed, got .*benchsuite\[dali\]"):
        DALI.check()


def test_the_gpu_needs_a_device(installed: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(DataError, match=r"^Expected --loader dali:gpu to be used with a CUDA device, got none"):
        GPU.check()
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"a pretended {device}")
    assert module.decoder("cuda:1") == f"{module.decoder(None)}, a pretended cuda:1"


def test_the_file_decoder_is_used_where_a_split_reads_files(installed: None, tmp_path: Path) -> None:
    """A split whose ``read`` fails still has its plain files, which are decoded by DALI."""
    split = opened(folder(tmp_path, {"a.jpg": encoded(picture())}))
    content = file_content(split)
    assert content is not None

    def refuses(sample: Sample) -> Sequence[int]:
        raise AssertionError("a plain file")

    plain = [s for s in split.samples if s.where.endswith("a.jpg")]
    marked = dataclasses.replace(split, read=decodes(content)(refuses))
    assert len(pixels_of(marked, samples=plain)) == 1
