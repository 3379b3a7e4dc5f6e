"""Tests of ffcv: always the reference decoder's pixels, and a one-line error if ffcv is not installed."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchsuite import DataError, Loader, Sample, Split, View, load_plugins
from benchsuite.builtin.loaders import _ffcv_installed
from benchsuite.data.prepared_note import PreparedSpec
from benchsuite.data.prepared_reader import open_prepared
from benchsuite.data.prepared_writer import prepare
from benchsuite.progress import Progress

CATALOG = load_plugins(entry_points=False)
FFCV, LOSSY = CATALOG.loaders["ffcv"], CATALOG.loaders["ffcv:lossy"]


@pytest.fixture(scope="module")
def installed() -> None:
    """Skips the test if ffcv is not installed."""
    try:
        _ffcv_installed.check()
    except DataError as error:
        pytest.skip(str(error))


def split_of(shapes: list[tuple[int, int]]) -> Split:
    """Different noise images of these heights and widths."""
    samples = tuple(Sample(f"{i:04}", i % 3, f"noise {i}") for i in range(len(shapes)))

    def read(sample: Sample) -> Any:
        number = int(sample.id)
        return np.random.default_rng(number).integers(0, 256, (*shapes[number], 3), dtype=np.uint8)

    return Split("noise", samples, ("a", "b", "c"), mirror=True, read=read)


def smooth_of(shapes: list[tuple[int, int]]) -> Split:
    """Gradients of these heights and widths, which a JPEG keeps well."""
    split = split_of(shapes)

    def read(sample: Sample) -> Any:
        height, width = shapes[int(sample.id)]
        down, right = np.mgrid[0:height, 0:width]
        levels = (50 * int(sample.id) + 100 * down / height, 255 * right / width, 255 - 200 * down / height)
        return np.stack(levels, axis=2).clip(0, 255).astype(np.uint8)

    return Split("smooth", split.samples, split.classes, mirror=True, read=read)


def ready(split: Split, loader: Loader = FFCV, **fields: Any) -> Loader:
    prepare(PreparedSpec(loader, split, split.name, **fields), Progress(), 1)
    return open_prepared(loader, split, split.samples, (fields.get("view") or View(9),), split.name)


def pixels_of(loader: Loader, split: Split, samples: Any, workers: int = 0) -> list[Any]:
    assert loader.images is not None
    return list(loader.images(split, samples, lambda pixels, _: pixels, workers))


@pytest.fixture
def shapes() -> list[tuple[int, int]]:
    chance = np.random.default_rng(1)
    sizes = [(int(h), int(w)) for h, w in chance.integers(1, 60, (70, 2))]
    return [*sizes, (1, 1), (1, 3000), (3000, 1), (700, 900)]


def test_images_of_many_sizes_come_bit_for_bit_in_any_order(installed: None, shapes: list[tuple[int, int]]) -> None:
    import torch

    from benchsuite.builtin.loaders import _beton_rows

    split, threads = split_of(shapes), torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        loader = ready(split)
        chance = np.random.default_rng(2)
        shuffled = [split.samples[i] for i in chance.permutation(len(split.samples))]
        for asked, workers in ((split.samples, 0), (shuffled, 2), (split.samples[5:6] * 3, 1), ((), 2)):
            found = pixels_of(loader, split, asked, workers)
            for sample, pixels in zip(asked, found, strict=True):
                np.testing.assert_array_equal(pixels, split.read(sample))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert not [t for t in threading.enumerate() if isinstance(t, _beton_rows._Batches)]


def test_a_file_is_one_that_ffcv_reads_itself(installed: None, shapes: list[tuple[int, int]], tmp_path: Path) -> None:
    from ffcv.reader import Reader

    split = split_of(shapes)
    ready(split, out=tmp_path / "noise.beton")
    reader = Reader(str(tmp_path / "noise.beton"))
    raw = np.fromfile(tmp_path / "noise.beton", dtype=np.uint8)
    assert reader.num_samples == len(shapes)
    assert reader.field_names == ["image", "label"]
    assert [int(label) for label in reader.metadata["f1"].reshape(-1).view("<i8")] == [s.label for s in split.samples]
    for sample, row, (number, place, size) in zip(
        split.samples, reader.metadata["f0"], reader.alloc_table, strict=True
    ):
        height, width = int(row["height"]), int(row["width"])
        assert (number, place, size) == (int(sample.id), row["data_ptr"], 3 * height * width)
        assert place // reader.page_size == (place + size - 1) // reader.page_size
        image = raw[int(place) : int(place) + int(size)].reshape(height, width, 3)
        np.testing.assert_array_equal(image, split.read(sample))


def test_pages_grow_with_the_largest_image_and_no_image_lies_across_two(installed: None) -> None:
    from benchsuite.builtin.loaders._beton import PAGE, _Pages

    chance = np.random.default_rng(3)
    for _ in range(200):
        pages = _Pages(int(chance.integers(1, 5 * PAGE)))
        sizes = [int(s) for s in chance.integers(1, PAGE, 20)] + [int(chance.integers(1, 9 * PAGE))]
        chance.shuffle(sizes)
        for row, size in enumerate(sizes):
            pages.place(row, int(size))
        ends = [place + size for _, place, size in pages.places]
        assert all(place >= end for (_, place, _), end in zip(pages.places[1:], ends, strict=False))
        assert pages.page & (pages.page - 1) == 0
        assert all(p // pages.page == (p + s - 1) // pages.page for _, p, s in pages.places)


def test_closing_early_is_prompt_and_leaves_no_thread(installed: None) -> None:
    from benchsuite.builtin.loaders import _beton_rows

    split = split_of([(40, 40)] * 1200)
    loader = ready(split)
    assert loader.images is not None
    for workers in (0, 2):
        stream = loader.images(split, split.samples, lambda pixels, _: pixels, workers)
        next(stream)
        start = time.perf_counter()
        stream.close()  # type: ignore[attr-defined]
        assert time.perf_counter() - start < 5
        assert not [t for t in threading.enumerate() if isinstance(t, _beton_rows._Batches)]


def test_what_makes_ffcvs_thread_fail_is_raised_and_nobody_waits(
    installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchsuite.builtin.loaders import _beton_rows

    split = smooth_of([(30, 40)] * 9)
    loader = ready(split, LOSSY)

    def fail(*_: Any) -> None:
        raise MemoryError("no memory for the batch")

    monkeypatch.setattr(_beton_rows.EpochIterator, "run_pipeline", fail)
    with pytest.raises(MemoryError, match="no memory for the batch"):
        pixels_of(loader, split, split.samples)


Damage = Callable[[Any, Any, Any], None]
"""What it does to the header, the fields of the images and their places in the file."""


def far_away(header: Any, fields: Any, places: Any) -> None:
    fields["data_ptr"][-1] = places["ptr"][-1] = 2**63


def wrapped_around(header: Any, fields: Any, places: Any) -> None:
    places["size"][3] = 2**64 - int(places["ptr"][3])
    fields["height"][3] = fields["width"][3] = 0


def too_long(header: Any, fields: Any, places: Any) -> None:
    places["size"][2] += 3


def elsewhere(header: Any, fields: Any, places: Any) -> None:
    fields["data_ptr"][1] += 1


def out_of_order(header: Any, fields: Any, places: Any) -> None:
    places[[0, 1]], fields[[0, 1]] = places[[1, 0]], fields[[1, 0]]


def taller(header: Any, fields: Any, places: Any) -> None:
    fields["height"][0] += 1


def of_no_kind(header: Any, fields: Any, places: Any) -> None:
    fields["mode"][0] = 7


def more(header: Any, fields: Any, places: Any) -> None:
    header["num_samples"] += 1


def too_many(header: Any, fields: Any, places: Any) -> None:
    header["num_samples"] = 2**62


def another_version(header: Any, fields: Any, places: Any) -> None:
    header["version"] = 9


def no_places(header: Any, fields: Any, places: Any) -> None:
    header["alloc_table_ptr"] += 24


DAMAGES = (far_away, wrapped_around, too_long, elsewhere, out_of_order, taller, of_no_kind, more, too_many)
DAMAGES += (another_version, no_places)


# A JPEG may have any length and says itself how tall it is: of that, its pixels tell when it is read.
OF_JPEGS = tuple(damage for damage in DAMAGES if damage not in (too_long, taller))


@pytest.mark.parametrize(("loader", "damage"), [*((FFCV, d) for d in DAMAGES), *((LOSSY, d) for d in OF_JPEGS)])
def test_tables_that_lead_out_of_the_file_or_an_image_are_refused(
    installed: None, loader: Loader, damage: Damage
) -> None:
    from ffcv.reader import Reader
    from ffcv.types import ALLOC_TABLE_TYPE, FieldDescType, HeaderType

    split = smooth_of([(9, 8), (20, 30), (5, 5), (8, 9), (7, 7)])
    note = prepare(PreparedSpec(loader, split, "smooth"), Progress(), 1)
    file = Path(note["file"])
    before, raw, kind = file.stat(), bytearray(file.read_bytes()), Reader(str(file)).metadata.dtype
    header = np.frombuffer(raw, HeaderType, 1)
    start = HeaderType.itemsize + int(header["num_fields"][0]) * FieldDescType.itemsize
    images = np.frombuffer(raw, kind, 5, start)
    damage(header, images["f0"], np.frombuffer(raw, ALLOC_TABLE_TYPE, 5, int(header["alloc_table_ptr"][0])))
    file.write_bytes(raw)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(
        DataError, match=r"one with complete tables, got a damaged one \(.*beton\): make it again with: "
    ):
        open_prepared(loader, split, split.samples, (), "smooth")


@pytest.mark.parametrize("loader", [FFCV, LOSSY], ids=lambda loader: loader.name)
@pytest.mark.parametrize("workers", [0, 2])
def test_a_byte_that_changed_in_an_image_is_found_when_it_is_read(
    installed: None, loader: Loader, workers: int
) -> None:
    from ffcv.reader import Reader

    split = smooth_of([(30 + i, 40) for i in range(9)])
    file = Path(prepare(PreparedSpec(loader, split, "smooth"), Progress(), 1)["file"])
    before, raw, places = file.stat(), bytearray(file.read_bytes()), Reader(str(file)).alloc_table
    raw[int(places["ptr"][6]) + int(places["size"][6]) // 2] ^= 0x55
    file.write_bytes(raw)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    use = open_prepared(loader, split, split.samples, (), "smooth")
    assert len(pixels_of(use, split, split.samples[:6], workers)) == 6
    with pytest.raises(DataError, match=r"with the pixels that were checked, got other pixels for 0006 \(.*--fresh\)"):
        pixels_of(use, split, split.samples, workers)
    assert len(pixels_of(ready(split, loader, fresh=True), split, split.samples, workers)) == 9


def test_of_a_jpeg_that_cannot_be_decoded_nothing_is_there_that_was_before(installed: None) -> None:
    """ffcv continues with its buffer, which must not hold the right pixels by chance, or those of another image."""
    from ffcv.fields.rgb_image import IMAGE_MODES, RGBImageField

    from benchsuite.builtin.loaders._beton_rows import Stored

    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 48, 3), np.uint8)).save(file, "JPEG")
    cut = np.frombuffer(file.getvalue()[:300], np.uint8)  # in the middle of its tables
    table = np.zeros(1, RGBImageField().metadata_type)
    table["mode"], table["height"], table["width"] = IMAGE_MODES["jpg"], 64, 48
    operation = Stored()
    operation.accept_globals(table, lambda address, storage: cut)
    place = np.full((1, 64 * 48 * 3), 7, np.uint8)
    assert not operation.generate_code()(np.array([0]), place, table, None).any()


def test_an_image_wider_than_ffcv_can_store_is_refused_by_name(installed: None) -> None:
    with pytest.raises(DataError, match=r"at most 65535 pixels a side, as ffcv stores it, got 65536 x 1 \(noise 1\)"):
        ready(split_of([(2, 2), (1, 65536)]))


def test_the_lossy_way_is_near_and_not_exact_and_shrinks_to_500(installed: None) -> None:
    split = smooth_of([(60, 80), (600, 1000), (33, 1)])
    small, large, thin = pixels_of(ready(split, LOSSY), split, split.samples)
    original = split.read(split.samples[0]).astype(int)
    assert (small.shape, large.shape, thin.shape) == ((60, 80, 3), (300, 500, 3), (33, 1, 3))
    assert 0 < abs(small.astype(int) - original).mean() < 4
    with pytest.raises(DataError, match=r"an image to be one that ffcv can store, got .*\(noise 0\)"):
        ready(smooth_of([(1, 2000)]), LOSSY)


def test_real_images_are_pillows(installed: None, imagenet500: Path) -> None:
    _, split = CATALOG.open_dataset(f"imagenet:{imagenet500}")
    chosen = Split("imagenet", split.samples[::10], split.classes, split.mirror, split.read)
    for sample, found in zip(chosen.samples, pixels_of(ready(chosen), chosen, chosen.samples, 2), strict=True):
        np.testing.assert_array_equal(found, np.asarray(split.read(sample)))


def test_loaders_are_listed_without_ffcv(tmp_path: Path) -> None:
    program = (
        "import sys\nsys.modules['ffcv'] = sys.modules['numba'] = sys.modules['torch'] = None\n"
        "import benchsuite\nprint(*benchsuite.load_plugins(entry_points=False).loaders)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "ffcv ffcv:lossy nvjpeg torch" in done.stdout
    assert (FFCV.exact, LOSSY.exact) == (True, False)


def errors() -> Iterator[tuple[Exception, str]]:
    """Import errors for missing or incompatible packages, with the advice for each."""
    everything = "apt-get install -y g++ pkg-config libopencv-dev libturbojpeg0-dev && pip install 'benchsuite[ffcv]'"
    yield ModuleNotFoundError("No module named 'ffcv'", name="ffcv"), everything
    again = "libopencv-dev libturbojpeg0-dev && pip install --force-reinstall"
    yield ModuleNotFoundError("No module named 'ffcv._libffcv'", name="ffcv._libffcv"), again
    yield OSError("/x/ffcv/_libffcv.cpython-311-x86_64-linux-gnu.so: undefined symbol: _ZN2cv6resize"), again
    missing = "libopencv_imgproc.so.406: cannot open shared object file: No such file or directory"
    yield ImportError(missing, name="ffcv._libffcv"), again
    yield OSError("libturbojpeg.so.0: cannot open shared object file"), "libturbojpeg0-dev && pip install --force"
    yield ImportError("Numba needs NumPy 2.2 or less. Got NumPy 2.4."), "--upgrade numba numpy"
    yield AttributeError("module 'numpy' has no attribute 'bool'"), "--upgrade numba numpy"
    yield ModuleNotFoundError("No module named 'numba'", name="numba"), "--upgrade numba"
    yield ModuleNotFoundError("No module named 'distutils'", name="distutils"), "pip install setuptools"
    yield ImportError("libGL.so.1: cannot open shared object file", name="cv2"), "pip install opencv-python-headless"
    yield ImportError("libGL.so.1: cannot open shared object file"), "pip install opencv-python-headless"


@pytest.mark.parametrize(("error", "helps"), list(errors()), ids=lambda v: type(v).__name__)
def test_an_import_that_fails_says_what_to_install_in_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, helps: str
) -> None:
    def fail(name: str) -> None:
        raise error

    monkeypatch.setattr(_ffcv_installed.importlib, "import_module", fail)
    with pytest.raises(DataError) as caught:
        _ffcv_installed.check()
    said = str(caught.value)
    assert said.startswith("Expected ffcv to be installed, got ")
    assert str(error) in said
    assert helps in said
    assert "\n" not in said


def test_preparing_without_ffcv_says_so_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_module(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(_ffcv_installed.importlib, "import_module", no_module)
    with pytest.raises(DataError, match=r"got No module named 'ffcv.fields' \(apt-get install"):
        ready(split_of([(4, 4)]))
    assert not list(Path(os.environ["BENCHSUITE_CACHE"]).rglob("*.beton*"))


def test_ffcv_makes_no_cuda_streams_as_its_pixels_stay_on_the_host(installed: None) -> None:
    program = (
        "import torch\ntorch.cuda.is_available = lambda: True\n"
        "from benchsuite.builtin.loaders import _beton_rows\nfrom ffcv.loader import epoch_iterator\n"
        "print(epoch_iterator.IS_CUDA)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
