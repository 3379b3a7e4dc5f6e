"""Tests of reading ahead: the bytes in flight are bounded, and nothing waits for ever."""

from __future__ import annotations

import importlib
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchsuite import DataError, decode
from benchsuite.data import prefetch
from benchsuite.data.prefetch import free_memory, in_order, reserve


class Meter:
    """Measures the bytes that are held at the same time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.now = self.most = 0

    def add(self, count: int) -> None:
        with self.lock:
            self.now += count
            self.most = max(self.most, self.now)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_bytes_in_flight_stay_below_the_room_and_one_image(
    monkeypatch: pytest.MonkeyPatch, seed: int, workers: int
) -> None:
    monkeypatch.setattr(prefetch, "BYTES_IN_FLIGHT", 100)
    chance = random.Random(seed)
    sizes = [chance.choice([0, 1, 10, 40, 90, 100, 250]) for _ in range(60)]
    meter = Meter()

    def work(size: int) -> int:
        reserve(size)
        meter.add(size)
        time.sleep(0.0005)
        return size

    found = []
    for size in in_order(sizes, work, workers):
        found.append(size)
        meter.add(-size)
    assert found == sizes
    assert meter.most <= 100 + 2 * max(sizes)  # the oldest one, and the one that was just handed out
    assert meter.most > 0


@pytest.mark.parametrize("workers", [1, 3])
def test_known_weights_bound_what_is_begun(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    monkeypatch.setattr(prefetch, "BYTES_IN_FLIGHT", 100)
    begun: list[int] = []

    def items() -> object:
        for i in range(30):
            begun.append(i)
            yield i

    stream = in_order(items(), lambda i: i, workers, weight=lambda _: 60)
    for done, found in enumerate(stream):
        assert found == done
        assert len(begun) - done <= 2
    assert len(begun) == 30


def test_an_image_larger_than_the_room_is_alone_and_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "BYTES_IN_FLIGHT", 10)
    assert list(in_order([1000] * 20, lambda n: reserve(n) or n, 4)) == [1000] * 20
    assert list(in_order([1000] * 20, lambda n: n, 4, weight=lambda n: n)) == [1000] * 20


def test_the_oldest_gets_in_though_the_younger_hold_all_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "BYTES_IN_FLIGHT", 10)
    younger = threading.Event()

    def work(i: int) -> int:
        if i == 0:
            assert younger.wait(10)
        reserve(10)
        younger.set()
        return i

    assert list(in_order(range(8), work, 2)) == list(range(8))


def test_closing_wakes_who_waits_for_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "BYTES_IN_FLIGHT", 10)
    stream = in_order(range(8), lambda i: reserve(10) or i, 4)
    assert next(stream) == 0
    start = time.perf_counter()
    stream.close()
    assert time.perf_counter() - start < 5
    assert not [t for t in threading.enumerate() if t.name.startswith("benchsuite-images")]


def test_elsewhere_there_is_always_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "BYTES_IN_FLIGHT", 1)
    reserve(10**12)
    assert list(in_order([10**12], lambda n: reserve(n) or n, 0)) == [10**12]
    list(in_order([1], lambda n: n, 1))
    reserve(10**12)


def test_decoding_asks_for_the_bytes_of_the_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr(importlib.import_module("benchsuite.data.decode"), "reserve", asked.append)
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    Image.new("L", (30, 20)).save(tmp_path / "b.png")
    (tmp_path / "c.png").write_bytes(b"none")
    for name in ("a.png", "b.png"):
        decode(tmp_path / name)
    with pytest.raises(DataError):
        decode(tmp_path / "c.png")
    assert asked == [4 * 600, 8 * 600]


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("a.jpg", "RGB"),
        ("cmyk.jpg", "CMYK"),
        ("progressive.jpg", "RGB"),
        ("progressive-cmyk.jpg", "CMYK"),
        ("progressive-grey.jpg", "L"),
        ("a.png", "RGBA"),
        ("palette.gif", "P"),
        ("a.webp", "RGB"),
        ("alpha.webp", "RGBA"),
        ("a.bmp", "RGB"),
        ("a.tif", "RGB"),
    ],
)
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux tells the peak of a step")
def test_no_decoder_takes_more_memory_than_was_asked_for(tmp_path: Path, name: str, mode: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8))
    how = {"progressive": True, "subsampling": 0} if name.startswith("progressive") else {}
    noise.convert(mode).save(tmp_path / f"small-{name}")
    noise.resize((3000, 2000)).convert(mode).save(tmp_path / name, **how)
    program = (
        "import importlib, sys\nfrom pathlib import Path\n"
        "decoding, asked = importlib.import_module('benchsuite.data.decode'), []\n"
        "decoding.reserve = asked.append\n"
        "def peak():\n"
        "    lines = Path('/proc/self/status').read_text().splitlines()\n"
        "    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith('VmHWM'))\n"
        "decoding.decode(sys.argv[1])\n"
        "Path('/proc/self/clear_refs').write_text('5')\n"
        "before = peak()\n"
        "decoding.decode(sys.argv[2])\n"
        "print(peak() - before, asked[-1])\n"
    )
    words = [sys.executable, "-c", program, str(tmp_path / f"small-{name}"), str(tmp_path / name)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    took, asked = map(int, done.stdout.split())
    assert took <= asked + 2**21
    assert took > 3 * 6_000_000


def test_large_files_are_decoded_a_few_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefetch, "BYTES_IN_FLIGHT", 3 * 4 * 10_000)
    for i in range(12):
        Image.new("RGB", (100, 100), (i, 0, 0)).save(tmp_path / f"{i:02}.png")
    meter = Meter()

    def work(path: Path) -> int:
        image = decode(path)
        meter.add(1)
        time.sleep(0.005)
        return int(np.asarray(image)[0, 0, 0])

    found = []
    for value in in_order(sorted(tmp_path.iterdir()), work, 12):
        found.append(value)
        meter.add(-1)
    assert found == list(range(12))
    assert meter.most <= 3 + 2


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is asked in Linux' units")
def test_large_images_in_many_threads_keep_within_memory(tmp_path: Path) -> None:
    """Eight images of 100 MB, of which the bound allows two at a time; freed memory is returned to the system."""
    Image.new("RGB", (5000, 5000)).save(tmp_path / "0.png", compress_level=1)
    for i in range(1, 8):
        (tmp_path / f"{i}.png").hardlink_to(tmp_path / "0.png")
    program = (
        "import pathlib, resource, sys\nfrom benchsuite import decode\nfrom benchsuite.data import prefetch\n"
        "def peak():\n    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "prefetch.BYTES_IN_FLIGHT = 200 * 2**20\nfiles = sorted(pathlib.Path(sys.argv[1]).iterdir())\n"
        "decode_one = lambda path: decode(path).size\ndecode_one(files[0])\nbefore = peak()\n"
        "list(prefetch.in_order(files, decode_one, 8))\nprint(peak() - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 300


@pytest.mark.parametrize(
    ("own", "wanted"),
    [
        ({}, ("0", str(prefetch.SPINS))),
        ({"GOMP_SPINCOUNT": "7"}, ("7",)),
        ({"OMP_WAIT_POLICY": "active"}, ("None",)),
    ],
)
def test_threads_that_wait_give_way_before_torch_is_loaded_unless_the_user_says_otherwise(
    own: dict[str, str], wanted: tuple[str, ...]
) -> None:
    rest = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    code = (
        "import os, sys; from benchsuite.cli import main; "
        "main(['show', '1crop', '--json']); "
        "print(os.environ.get('GOMP_SPINCOUNT'), 'torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], env=rest | own, capture_output=True, text=True, check=True)
    spins, loaded = done.stderr.split()
    assert spins in wanted
    assert loaded == "False"


@pytest.mark.parametrize(
    ("told", "spins"),
    [
        ("0.90 1.27 1.62 1/75 25137", str(prefetch.SPINS)),
        ("0.00 0.00 0.00 2/75 25137", "0"),
        ("9.00 9.00 9.00 17/750 25137", "0"),
        ("", str(prefetch.SPINS)),
        ("no number here x/y", str(prefetch.SPINS)),
        (None, str(prefetch.SPINS)),
    ],
)
def test_threads_that_wait_do_not_spin_beside_what_runs_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: str | None, spins: str
) -> None:
    if told is not None:
        (tmp_path / "load").write_text(told)
    monkeypatch.setattr(prefetch, "LOAD", tmp_path / "load")
    monkeypatch.setattr(os, "environ", {})
    prefetch.give_way()
    assert os.environ == {"GOMP_SPINCOUNT": spins}


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("block", [1, 4, 100])
def test_blocks_give_the_same_results_in_order_and_an_error_in_its_turn(workers: int, block: int) -> None:
    error = DataError("broken")

    def work(i: int) -> int:
        if i == 17:
            raise error
        return i * i

    assert list(in_order(range(17), work, workers, block=block)) == [i * i for i in range(17)]
    found: list[int] = []
    with pytest.raises(DataError) as caught:
        found.extend(in_order(range(40), work, workers, block=block))
    assert caught.value is error
    assert found == [i * i for i in range(17)]
    assert not [t for t in threading.enumerate() if t.name.startswith("benchsuite-images")]


def test_a_thread_takes_a_whole_block_and_items_are_taken_as_far_ahead_as_work_is_in_flight() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for i in range(1000):
            taken.append(i)
            yield i

    stream = in_order(items(), lambda i: (i, threading.get_ident()), 2, block=8)
    found = [next(stream) for _ in range(64)]
    assert len(taken) <= 64 + 8 * prefetch.AHEAD * 2
    assert all(len({thread for _, thread in found[at : at + 8]}) == 1 for at in range(0, 64, 8))
    stream.close()


def test_the_memory_that_is_free_is_that_of_the_machine_or_of_the_container(monkeypatch: pytest.MonkeyPatch) -> None:
    assert free_memory() > 2**20
    monkeypatch.setattr(prefetch, "_of_control_group", lambda: 17)
    assert free_memory() == 17
    monkeypatch.setattr(prefetch, "_of_control_group", lambda: None)
    assert free_memory() > 2**20
