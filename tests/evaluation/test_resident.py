"""Tests of resident images: each is read once, the pixels are the same, memory is bounded, nothing wrong is kept."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from recorded_progress import RecordedProgress
from toy_evaluation import CATALOG, counting_reads

from benchsuite import BenchsuiteError, Crop, DataError, Loader, Sample, Split, View
from benchsuite.data.resize import cut, resize
from benchsuite.evaluation import loading
from benchsuite.evaluation import resident as module
from benchsuite.evaluation.input_pipeline import cutter
from benchsuite.evaluation.question import RunRequest
from benchsuite.evaluation.reading import read_once_each
from benchsuite.evaluation.resident import ResidentImages, resident
from benchsuite.models.resize.device_views import DeviceCut, DeviceViews, ResidentImage
from benchsuite.models.transfer import transfer as transfer_to
from benchsuite.runs import run as runs
from benchsuite.runs.plan import plan
from benchsuite.runs.run import run
from benchsuite.specs.view import resized_shape

TORCH = CATALOG.loaders["torch"]
KEPT = dataclasses.replace(TORCH, resident=True)
CROPS = (View(12, Crop(8)), View(12, Crop(8, "top-left"), flip=True), View(12, Crop(6)))
SCALES = (View(12, Crop(8)), View(9, dense=True, nominal=8), View((10, 11)), View(14, interpolation="bicubic"))
PLENTY = 2**30


class Images:
    """Noise images of several sizes; ``read`` counts how often each is read."""

    def __init__(self, count: int = 20) -> None:
        self.reads: list[str] = []
        samples = tuple(Sample(f"{i:02}", i % 2, f"noise {i}") for i in range(count))
        self.split = Split("noise", samples, ("a", "b"), mirror=True, read=self.read)

    def read(self, sample: Sample) -> Any:
        self.reads.append(sample.id)
        return image_of(sample)


def image_of(sample: Sample) -> Any:
    number = int(sample.id)
    shape = (12 + number % 7, 9 + number % 5, 3)
    return np.random.default_rng(number).integers(0, 256, shape, dtype=np.uint8)


def cuts(loader: Loader, split: Split, samples: Sequence[Sample], views: tuple[View, ...], workers: int = 0) -> Any:
    """What the input pipeline cuts from each image, read as the evaluator reads a chunk."""
    made = list(read_once_each(loader, split, samples, cutter(views, nullcontext()), workers))
    return [one.pixels for one in made]


def plain(samples: Sequence[Sample], views: tuple[View, ...]) -> list[list[Any]]:
    return [
        [cut(resize(image, *resized_shape(*image.shape[:2], view), view), view) for view in views]
        for image in map(image_of, samples)
    ]


def same(found: list[list[Any]], wanted: list[list[Any]]) -> bool:
    return len(found) == len(wanted) and all(
        len(a) == len(b) and all(map(np.array_equal, a, b)) for a, b in zip(found, wanted, strict=True)
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("views", [CROPS, SCALES])
def test_the_second_pass_has_the_same_pixels_and_reads_nothing(views: tuple[View, ...], workers: int) -> None:
    noise, kept = Images(), ResidentImages(lambda: PLENTY)
    samples, told = noise.split.samples, []
    for subset in (samples[:8], samples[8:], samples[3:15:2], samples):
        loader = resident(KEPT, noise.split, samples, views, told.append, memories=[kept])
        assert same(cuts(loader, noise.split, subset, views, workers), plain(subset, views))
    assert sorted(noise.reads) == [s.id for s in samples]
    assert told == []
    size = (lambda image: 3 * np.prod(resized_shape(*image.shape[:2], views[0]))) if views is CROPS else np.size
    assert kept.bytes == sum(int(size(image_of(s))) for s in samples)


def test_images_of_a_file_that_is_mapped_stay_as_they_were_read() -> None:
    noise, kept = Images(4), ResidentImages(lambda: PLENTY)
    mapped = {s.id: image_of(s) for s in noise.split.samples}

    def parts(split: Split, samples: Sequence[Sample], then: Any, workers: int) -> Iterator[Any]:
        return (then(mapped[s.id][:], 0.0) for s in samples)

    views = (View(9, Crop(8)), View(10, Crop(8)))
    opened = resident(Loader("parts", parts, True, "", resident=True), noise.split, (), views, print, memories=[kept])
    for _ in range(2):
        assert same(cuts(opened, noise.split, noise.split.samples, views), plain(noise.split.samples, views))
        for pixels in mapped.values():
            pixels[:] = 0


def test_a_loader_that_is_not_resident_is_unchanged() -> None:
    noise = Images()
    assert resident(TORCH, noise.split, noise.split.samples, CROPS, print) is TORCH


def test_views_of_another_resize_other_images_and_other_pixels_are_read_again() -> None:
    noise, kept = Images(6), ResidentImages(lambda: PLENTY)
    changed = dataclasses.replace(noise.split.samples[2], stamp="5@1")
    inexact = dataclasses.replace(KEPT, name="torch:other", exact=False)
    passes: list[tuple[Loader, tuple[Sample, ...], tuple[View, ...]]] = [
        (KEPT, noise.split.samples, CROPS),
        (KEPT, noise.split.samples, (View(11, Crop(8)),)),
        (KEPT, (changed,), CROPS),
        (inexact, noise.split.samples, CROPS),
    ]
    for number, (loader, samples, views) in enumerate(passes):
        noise.reads.clear()
        opened = resident(loader, noise.split, samples, views, print, memories=[kept])
        assert same(cuts(opened, noise.split, samples, views), plain(samples, views)), number
        assert noise.reads == [s.id for s in samples], number


@given(st.integers(0, 3000), st.lists(st.sampled_from([CROPS, (View(11, Crop(8)),), SCALES]), max_size=4))
def test_no_more_is_kept_than_half_of_the_free_memory(free: int, passes: list[tuple[View, ...]]) -> None:
    noise = Images(6)
    kept = ResidentImages(lambda: free - kept.bytes)
    for views in passes:
        opened = resident(KEPT, noise.split, noise.split.samples, views, lambda line: None, memories=[kept])
        for start in (0, 3):
            samples = noise.split.samples[start : start + 3]
            assert same(cuts(opened, noise.split, samples, views), plain(samples, views))
        assert kept.bytes <= kept.limit <= free
        assert kept.bytes == sum(image.nbytes for images in kept.sets.values() for image in images.values())


def test_what_does_not_fit_is_read_again_and_said_in_one_line() -> None:
    noise, told = Images(8), list[str]()
    first = sum(3 * np.prod(resized_shape(*image_of(s).shape[:2], CROPS[0])) for s in noise.split.samples[:4])
    kept = ResidentImages(lambda: 2 * int(first))
    opened = resident(KEPT, noise.split, noise.split.samples, CROPS, told.append, memories=[kept])
    for _ in range(2):
        for start in (0, 4):
            cuts(opened, noise.split, noise.split.samples[start : start + 4], CROPS)
    assert noise.reads == [s.id for s in (*noise.split.samples, *noise.split.samples[4:])]
    assert told == [
        "the images need about 0.0 GiB, half of the free memory is 0.0 GiB: 4 of 8 are kept, "
        "the others are read by each network again"
    ]


def test_processes_that_share_the_memory_keep_a_share_each() -> None:
    kept = ResidentImages(lambda: 1200)
    kept.begin("set", processes=3)
    assert kept.limit == 200


def test_room_is_made_by_dropping_the_set_that_was_used_longest_ago() -> None:
    kept, image = ResidentImages(lambda: 200), np.zeros(30, np.uint8)
    for key in ("a", "b", "c", "a"):
        kept.begin(key)
        kept.limit = 100
        if kept.found(key, [("1", "")]) is None:
            kept.keep(key, [("1", "")], [image])
    assert kept.makes_room("a", 10)
    assert list(kept.sets) == ["b", "c", "a"]
    assert kept.makes_room("a", 40)
    assert (list(kept.sets), kept.bytes) == (["c", "a"], 60)
    assert not kept.makes_room("a", 71)
    assert (list(kept.sets), kept.bytes) == (["a"], 30)


def disordered(split: Split, samples: Sequence[Sample], then: Any, workers: int) -> Iterator[Any]:
    return (then(split.read(s), 0.0) for s in reversed(samples))


def shortened(split: Split, samples: Sequence[Sample], then: Any, workers: int) -> Iterator[Any]:
    return (then(image_of(s), 0.0) for s in samples[:-1])


def twice(split: Split, samples: Sequence[Sample], then: Any, workers: int) -> Iterator[Any]:
    return (then(split.read(s), 0.0) for s in (samples[0], *samples[:-1]))


@pytest.mark.parametrize("images", [disordered, twice])
def test_of_a_loader_that_mixes_images_up_nothing_is_kept(images: Any) -> None:
    noise, kept = Images(5), ResidentImages(lambda: PLENTY)
    wrong = Loader("wrong", images, exact=True, note="", resident=True)
    opened = resident(wrong, noise.split, noise.split.samples, CROPS, print, memories=[kept])
    with pytest.raises(BenchsuiteError, match="the loader wrong to "):
        cuts(opened, noise.split, noise.split.samples, CROPS)
    assert kept.bytes == 0


def test_of_a_loader_that_drops_an_image_nothing_is_kept() -> None:
    noise, kept = Images(5), ResidentImages(lambda: PLENTY)
    opened = resident(
        Loader("short", shortened, True, "", resident=True), noise.split, (), CROPS, print, memories=[kept]
    )
    assert len(cuts(opened, noise.split, noise.split.samples, CROPS)) == 4  # which the input pipeline refuses
    assert kept.bytes == 0


def test_an_image_that_cannot_be_read_or_enlarged_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(sample: Sample) -> Any:
        raise DataError(f"broken ({sample.where})")

    noise, kept = Images(5), ResidentImages(lambda: PLENTY)
    split = dataclasses.replace(noise.split, read=broken)
    with pytest.raises(DataError, match=r"^broken \(noise 0\)$"):
        cuts(resident(KEPT, split, split.samples, CROPS, print, memories=[kept]), split, split.samples, CROPS)
    for _ in range(2):  # while it is read, and when it is kept
        first = resident(KEPT, noise.split, (), SCALES, print, memories=[kept])
        cuts(first, noise.split, noise.split.samples, SCALES)
        monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 30)
        with pytest.raises(DataError, match=r"of at most 30 pixels after its resize, .*\(noise 0\)$"):
            cuts(
                resident(KEPT, noise.split, (), SCALES, print, memories=[kept]),
                noise.split,
                noise.split.samples,
                SCALES,
            )
        monkeypatch.setattr("PIL.Image.MAX_IMAGE_PIXELS", 2**28)


def test_a_run_of_other_networks_and_protocols_reads_no_image_and_has_the_same_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes of the predictions, the ids of the runs and the keys of the cache are those of a run without it."""
    reads: list[str] = []
    catalog = counting_reads(CATALOG, reads)
    kept = ResidentImages(lambda: PLENTY)
    monkeypatch.setattr(loading, "RESIDENT", kept)

    def answers(loader: str, place: str) -> dict[str, bytes]:
        found = {}
        for architecture, protocols in (("toy", ("1crop",)), ("toy", ("1crop", "10crop"))):
            monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / place / str(len(protocols))))
            request = RunRequest(
                (architecture,), protocols, "toy", loader=loader, device="cpu", results=tmp_path / place, fresh=True
            )
            for row in run(request, catalog, RecordedProgress()):
                found[row["run_id"]] = Path(row["path"], "predictions.parquet").read_bytes()
        return found

    wanted, before = answers("torch", "plain"), len(reads)
    assert before == 10
    assert answers("torch,resident", "kept") == wanted
    assert len(reads) - before == 5
    names = [{p.name for p in (tmp_path / place / "2").rglob("*.logits")} for place in ("plain", "kept")]
    assert names[0] == names[1]


def there(free: int = PLENTY) -> ResidentImages:
    """Images that stay on the CPU as they would on another device."""
    return ResidentImages(lambda: free, lambda image: ResidentImage(image, "cpu"))


@pytest.mark.parametrize("views", [CROPS, SCALES])
@pytest.mark.parametrize("workers", [0, 2])
def test_images_that_stay_on_a_device_are_cut_there_to_the_same_pixels(views: tuple[View, ...], workers: int) -> None:
    noise, memories, resizer = (
        Images(),
        [there(), ResidentImages(lambda: PLENTY)],
        DeviceViews(transfer_to(torch.device("cpu"))),
    )
    samples = noise.split.samples
    for _ in range(2):
        loader = resident(KEPT, noise.split, samples, views, print, memories=memories)
        made = list(read_once_each(loader, noise.split, samples, cutter(views, nullcontext(), resizer), workers))
        found = [[np.asarray(resizer.stacked([part]))[0] for part in one.pixels] for one in made]
        assert same(found, plain(samples, views))
    assert len(noise.reads) == len(samples)
    assert (memories[0].bytes > 0, memories[1].bytes) == (True, 0)
    assert all(isinstance(part, DeviceCut) for one in made for part in one.pixels)


def test_a_host_that_resizes_gets_their_pixels_too() -> None:
    noise, memory = Images(5), there()
    for views in (SCALES, (*SCALES, View(10, antialias=False))):
        for _ in range(2):
            opened = resident(KEPT, noise.split, noise.split.samples, views, print, memories=[memory])
            assert same(cuts(opened, noise.split, noise.split.samples, views), plain(noise.split.samples, views))
    assert len(noise.reads) == 5


def test_what_a_device_has_no_room_for_stays_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    noise, told = Images(8), list[str]()
    sizes = [3 * int(np.prod(resized_shape(*image_of(s).shape[:2], CROPS[0]))) for s in noise.split.samples]
    memories = [there(2 * sum(sizes[:4])), ResidentImages(lambda: PLENTY)]
    opened = resident(KEPT, noise.split, noise.split.samples, CROPS, told.append, memories=memories)
    for _ in range(2):
        for start in (0, 4):
            part = noise.split.samples[start : start + 4]
            assert same(cuts(opened, noise.split, part, CROPS), plain(part, CROPS))
    assert (len(noise.reads), told) == (8, [])
    assert [memory.bytes for memory in memories] == [sum(sizes[:4]), sum(sizes[4:])]


@pytest.mark.parametrize("error", [RuntimeError("CUDA out of memory"), RuntimeError("another one")])
def test_a_device_that_turns_out_to_have_no_room_takes_no_others(error: RuntimeError) -> None:
    def full(image: Any) -> Any:
        raise error

    noise, memories = Images(6), [ResidentImages(lambda: PLENTY, full), ResidentImages(lambda: PLENTY)]
    opened = resident(KEPT, noise.split, noise.split.samples, CROPS, print, memories=memories)
    if "another" in str(error):
        with pytest.raises(RuntimeError, match="another one"):
            cuts(opened, noise.split, noise.split.samples, CROPS)
        return
    for part in (noise.split.samples[:3], noise.split.samples[3:]) * 2:
        assert same(cuts(opened, noise.split, part, CROPS), plain(part, CROPS))
    assert len(noise.reads) == 6
    assert (memories[0].bytes, memories[0].limit) == (0, 0)


def test_a_run_on_cuda_keeps_images_there_unless_the_host_resizes(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(
        runs, "open_loader", lambda *words, device, stays, **_: asked.append((device, stays)) or words[0]
    )
    monkeypatch.setattr(runs, "device_here", lambda name: name)
    monkeypatch.setattr("benchsuite.models.precision.check", lambda *words: None)
    monkeypatch.setattr(runs.profile, "begin", lambda device: None)
    for device, where in (("cuda:1", "auto"), ("cuda:1", "host"), ("cpu", "auto"), ("cpu", "device")):
        request = RunRequest(("toy",), ("1crop",), "toy", device=device, resize_on=where, batch_size=4)
        runs.begin(request, plan(request, CATALOG), RecordedProgress())
    assert asked == [("cuda:1", True), ("cuda:1", False), ("cpu", False), ("cpu", False)]


def test_each_device_has_a_memory_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.mem_get_info", lambda device: (1000 + device.index, 4000))
    module.on_device.cache_clear()
    memories = [module.on_device(name) for name in ("cuda:0", "cuda:1", "cuda:1")]
    for memory in memories:
        memory.begin("set")
    assert [memory.limit for memory in memories] == [500, 500, 500]
    assert memories[0] is not memories[1]
    assert memories[1] is memories[2]
    module.on_device.cache_clear()
