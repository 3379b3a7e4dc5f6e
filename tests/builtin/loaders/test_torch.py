"""Tests of the reference loader: every sample once, in order, with any number of threads; no thread is left running."""

import os
import signal
import threading
import time

import numpy as np
import pytest
from PIL import Image
from reference.decode import decode as plain

from benchsuite import BadParameter, DataError, Sample, Split, decode, load_plugins
from benchsuite.builtin.datasets.imagenet import open_imagenet
from benchsuite.builtin.loaders.torch import images
from benchsuite.data.prefetch import AHEAD

WORKERS = [0, 1, 2, 5]
SAMPLES = tuple(Sample(f"{i:03d}", i, f"row {i}") for i in range(60))


def split_of(read):
    return Split("toy", SAMPLES, ("a",), True, read)


def row(sample):
    """Later samples are ready sooner within each group of four."""
    time.sleep(0.002 * (3 - sample.label % 4))
    return np.full((2, 2, 3), sample.label, dtype=np.uint8)


def number(pixels, seconds):
    return int(np.asarray(pixels)[0, 0, 0])


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("benchsuite-images")]


@pytest.mark.parametrize("workers", WORKERS)
def test_every_sample_comes_once_and_in_the_order_asked(workers):
    asked = SAMPLES[::-1][:41]
    assert list(images(split_of(row), asked, number, workers)) == [s.label for s in asked]
    assert threads() == []


@pytest.mark.parametrize("workers", WORKERS)
def test_no_samples_give_nothing(workers):
    assert list(images(split_of(row), (), number, workers)) == []


def test_no_worker_means_the_calling_thread_and_workers_mean_others():
    def where(pixels, seconds):
        return threading.current_thread()

    assert set(images(split_of(row), SAMPLES[:3], where, 0)) == {threading.main_thread()}
    assert threading.main_thread() not in set(images(split_of(row), SAMPLES[:3], where, 2))


@pytest.mark.parametrize("workers", [1, 3])
def test_reading_ahead_is_bounded(workers):
    begun = []

    def read(sample):
        begun.append(sample)
        return row(sample)

    ahead = []
    for done, _ in enumerate(images(split_of(read), SAMPLES, number, workers), 1):
        time.sleep(0.01)
        ahead.append(len(begun) - done)
    assert 0 < max(ahead) < AHEAD * workers


@pytest.mark.parametrize("workers", WORKERS)
def test_seconds_are_those_of_reading_alone(workers):
    def read(sample):
        time.sleep(0.02)
        return row(sample)

    def then(pixels, seconds):
        time.sleep(0.5)
        return seconds

    assert all(0.02 <= seconds < 0.4 for seconds in images(split_of(read), SAMPLES[:3], then, workers))


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("in_then", [False, True])
def test_an_error_comes_in_its_turn_as_it_is(workers, in_then):
    error = DataError("Expected an image to be whole, got half of it (x.jpg)")

    def read(sample):
        if sample.label == 17 and not in_then:
            raise error
        return row(sample)

    def then(pixels, seconds):
        if number(pixels, seconds) == 17 and in_then:
            raise error
        return number(pixels, seconds)

    found = []
    with pytest.raises(DataError) as caught:
        found.extend(images(split_of(read), SAMPLES, then, workers))
    assert caught.value is error
    assert threads() == []
    stream = images(split_of(read), SAMPLES, then, workers)
    assert [next(stream) for _ in range(17)] == list(range(17))
    with pytest.raises(DataError):
        next(stream)


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("stop", ["close", "interrupt", "forget"])
def test_stopping_early_is_prompt_and_leaves_no_thread(workers, stop):
    begun = []

    def read(sample):
        begun.append(sample)
        time.sleep(0.1)
        return row(sample)

    stream = images(split_of(read), SAMPLES, number, workers)
    assert next(stream) == 0
    start = time.perf_counter()
    if stop == "close":
        stream.close()
    elif stop == "interrupt":
        with pytest.raises(KeyboardInterrupt):
            stream.throw(KeyboardInterrupt)
    else:
        del stream
    assert time.perf_counter() - start < 1
    assert threads() == []
    assert len(begun) <= 1 + 2 * workers


def test_closing_before_the_first_image_starts_nothing():
    stream = images(split_of(row), SAMPLES, number, 2)
    stream.close()
    assert threads() == []


@pytest.mark.parametrize("workers", [0, 2])
def test_control_c_while_waiting_stops_at_once(workers):
    def read(sample):
        if sample.label == 5:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        return row(sample)

    start = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        list(images(split_of(read), SAMPLES, number, workers))
    assert time.perf_counter() - start < 2
    assert threads() == []


def test_fewer_than_no_workers_are_refused():
    with pytest.raises(BadParameter, match="workers to be 0 or more, got -1"):
        images(split_of(row), SAMPLES, number, -1)


def test_then_gets_what_read_gives_uncopied(tmp_path):
    Image.new("RGB", (3, 2), (7, 8, 9)).save(tmp_path / "x.png")
    picture = decode(tmp_path / "x.png")
    for pixels in (picture, np.asarray(picture)):
        found = list(images(split_of(lambda _, it=pixels: it), SAMPLES[:2], lambda it, _: it, 1))
        assert all(it is pixels for it in found)


def test_workers_overlap():
    together = threading.Barrier(3, timeout=10)

    def read(sample):
        together.wait()
        return row(sample)

    assert len(list(images(split_of(read), SAMPLES[:6], number, 3))) == 6


def test_the_pixels_of_real_images_are_pillows(imagenet500):
    split = open_imagenet(str(imagenet500), "test")
    loader = load_plugins(entry_points=False).loaders["torch"]
    assert loader.exact
    chosen = split.samples[::7]
    found = loader.images(split, chosen, lambda pixels, _: np.asarray(pixels), 2)
    for sample, pixels in zip(chosen, found, strict=True):
        np.testing.assert_array_equal(pixels, plain(sample.where))
