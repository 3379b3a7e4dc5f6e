"""Tests of crashes: finished work is neither lost nor repeated, and no number is ever wrong."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from forked_commands import SPECKS_IN_CHUNK, ForkServer, Started
from torch.distributed import TCPStore

IMAGES = 50
KILLS = 30
RUN = ["run", "speck", "--weights", "random", "--device", "cpu", "--batch-size", "8", "--workers", "0", "--json"]
PROTOCOLS = ["-p", "10crop", "-p", "1crop:resize=10"]


@dataclass
class Place:
    """A separate cache and results folder, and the processes that use them."""

    server: ForkServer
    root: Path
    port: int
    attempts: Any

    def start(self, size: int, *options: str, delay: float = 0.0, **environment: str) -> list[Started]:
        """Starts ``size`` processes as ``torchrun`` does; a single one without its environment variables."""
        attempt = next(self.attempts)
        own = {
            "BENCHSUITE_CACHE": str(self.root / "cache"),
            "BENCHSUITE_RESULTS": str(self.root / "results"),
            "SPECKS_LOG": str(self.root / "log"),
            "SPECKS_DELAY": str(delay),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(self.port),
            "TORCHELASTIC_USE_AGENT_STORE": "True",
            "TORCHELASTIC_RESTART_COUNT": str(attempt),
        }
        words = [*RUN, "--data", f"specks:{IMAGES}", "--loader", "logged", *PROTOCOLS, *options]
        started = []
        for rank in range(size):
            several = {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)} if size > 1 else {}
            output = self.root / f"{attempt}-{rank}"
            started.append(self.server.start(words, own | several | environment, output))
        return started

    def run(self, size: int, *options: str, **environment: str) -> list[dict[str, Any]]:
        """Runs to the end and returns the rows; asserts that the exit status is 0."""
        started = self.start(size, *options, **environment)
        assert [s.wait() for s in started] == [0] * size, [s.err for s in started]
        assert [s.out for s in started[1:]] == [""] * (size - 1)
        return list(json.loads(started[0].out)["runs"])

    def predictions(self) -> dict[str, str]:
        """The digest of the predictions of each run."""
        files = sorted(self.root.glob("results/runs/*/predictions.parquet"))
        return {f.parent.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in files}

    def finished(self) -> dict[str, tuple[int, int]]:
        """The chunk files on disk, each with a value that changes when it is written again."""
        found = {}
        for file in (self.root / "cache").rglob("*.logits"):
            status = file.stat()
            found[str(file)] = status.st_ino, status.st_mtime_ns
        return found

    def whole(self) -> set[str]:
        """The first images of the chunks with every view on disk."""
        stems = [Path(f).stem for f in self.finished()]
        names = {stem: first for first, stem in chunk_stems().items()}
        return {names[stem] for stem in stems if stems.count(stem) == VIEWS}

    def begun(self) -> list[str]:
        """The first images of the chunks that were begun, in that order."""
        log = self.root / "log"
        return [line.split()[2] for line in log.read_text().splitlines()] if log.exists() else []


VIEWS = 11


def chunk_stems() -> dict[str, str]:
    """The name of a chunk's files by its first image."""
    import crash_plugin

    from benchsuite.storage.keys import chunk_key

    split = crash_plugin.open_specks(str(IMAGES), "test")
    samples = split.samples
    starts = range(0, IMAGES, SPECKS_IN_CHUNK)
    return {samples[i].id: chunk_key(samples[i : i + SPECKS_IN_CHUNK], split)[:32] for i in starts}


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A function that makes places; holds the store through which the processes meet."""
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    server, attempts = ForkServer(), itertools.count()
    yield lambda: Place(server, tmp_path_factory.mktemp("place"), store.port, attempts)
    server.close()


@pytest.fixture(scope="module")
def right(places: Any) -> dict[str, str]:
    """The results of one uninterrupted process."""
    place = places()
    rows = place.run(1)
    assert [row["n"] for row in rows] == [IMAGES] * 2
    assert sorted(place.begun()) == sorted(chunk_stems()), "each chunk is begun once"
    found: dict[str, str] = place.predictions()
    assert len(found) == 2
    return found


@pytest.mark.parametrize(("size", "beside"), [(1, "1"), (2, ""), (3, ""), (4, ""), (3, "1")])
def test_any_number_of_processes_comes_to_the_same_bytes_and_computes_each_chunk_once(
    places: Any, right: dict[str, str], size: int, beside: str
) -> None:
    place = places()
    rows = place.run(size, SPECKS_DELAY="0.01", SPECKS_BESIDE=beside)
    assert place.predictions() == right
    assert sorted(place.begun()) == sorted(chunk_stems())
    assert [row["n"] for row in rows] == [IMAGES] * 2
    pids = {line.split()[1] for line in (place.root / "log").read_text().splitlines()}
    assert len(pids) > 1 or size == 1, "the work is shared out"
    manifest = json.loads(next(place.root.glob("results/runs/*/manifest.json")).read_text())
    assert manifest["numerics"]["processes"] == size
    assert manifest["images_computed"] == IMAGES


PERTURBED = ["-p", "lowpass:r=3,of=10crop", "-p", "noise", "-p", "pgd:eps=8/255,steps=2"]


@pytest.fixture(scope="module")
def right_perturbed(places: Any) -> dict[str, str]:
    """The results of one uninterrupted process with perturbed views beside the others."""
    place = places()
    rows = place.run(1, *PERTURBED)
    assert len({row["protocol"] for row in rows}) == len(rows) == 6, "1crop, which pgd attacks, is run beside it"
    found: dict[str, str] = place.predictions()
    assert len(found) == 6
    return found


@pytest.mark.parametrize("size", [1, 3])
def test_perturbed_views_come_to_the_same_bytes_after_a_kill_and_with_any_number_of_processes(
    places: Any, right: dict[str, str], right_perturbed: dict[str, str], size: int
) -> None:
    assert right.items() <= right_perturbed.items(), "the views without a change are as they were"
    undisturbed = places()
    undisturbed.run(size, *PERTURBED)
    assert undisturbed.predictions() == right_perturbed
    place = places()
    started = place.start(size, *PERTURBED, delay=0.004)
    while len(place.begun()) < 4 and not all(s.ended() for s in started):
        time.sleep(0.002)
    started[-1].kill()
    if size == 1:
        assert started[0].wait() == -9
        assert not place.predictions(), "the kill came in time"
    else:
        assert [s.wait() for s in started[:-1]] == [0] * (size - 1), started[0].err
    kept = place.finished()
    place.run(4 - size, *PERTURBED)
    assert place.predictions() == right_perturbed
    now = place.finished()
    views, before = (Counter(Path(f).stem for f in files) for files in (now, kept))
    whole = {f for f in kept if before[Path(f).stem] == views[Path(f).stem]}
    assert whole
    assert {f: now[f] for f in whole} == {f: kept[f] for f in whole}, "no whole chunk is computed twice"


def test_fresh_computes_every_chunk_once_more_whatever_is_there(places: Any, right: dict[str, str]) -> None:
    place = places()
    place.run(1)
    before = place.finished()
    place.run(3, "--fresh")
    assert place.predictions() == right
    assert sorted(place.begun()) == sorted([*chunk_stems()] * 2)
    assert all(before[f] != now for f, now in place.finished().items())


def end_soon(started: list[Started]) -> None:
    """Kills processes that do not end by themselves within half a second."""
    end = time.monotonic() + 0.5
    while not all(s.ended() for s in started) and time.monotonic() < end:
        time.sleep(0.01)
    for process in started:
        process.kill()


def test_thirty_kills_at_random_moments_lose_and_repeat_nothing(places: Any, right: dict[str, str]) -> None:
    """One process or all of one to three are killed; another number of them goes on and comes to the same bytes.

    Some work as beside a GPU, with two chunks in hand at a time.
    """
    chance = random.Random(5)
    cut_short = partly = 0
    for kill in range(KILLS):
        place, size = places(), chance.randint(1, 3)
        started = place.start(size, delay=0.004, SPECKS_BESIDE=chance.choice(["", "1"]))
        progress = chance.randint(0, len(chunk_stems()))
        while len(place.begun()) < progress and not all(s.ended() for s in started):
            time.sleep(0.002)
        time.sleep(chance.uniform(0.0, 0.05))
        victims = started if kill % 2 else [chance.choice(started)]
        for victim in victims:
            victim.kill()
        if started[0] in victims:  # torchrun ends the others then; these may wait for what the first would have told
            end_soon(started[1:])
        statuses = [s.wait() for s in started]
        assert all(status in (0, -9) for status in statuses), [s.err for s in started]
        kept, whole, begun = place.finished(), place.whole(), place.begun()
        cut_short += not place.predictions()
        partly += 0 < len(whole) < len(chunk_stems())
        place.run(chance.randint(1, 3), SPECKS_BESIDE=chance.choice(["", "1"]))
        assert place.predictions() == right, f"kill {kill}"
        now, stems = place.finished(), chunk_stems()
        again = place.begun()[len(begun) :]
        assert whole.isdisjoint(again), f"kill {kill}: a chunk that was whole is begun again"
        assert len(again) == len(set(again)) == len(stems) - len(whole)
        assert all(now[f] == kept[f] for f in kept if Path(f).stem in {stems[first] for first in whole})
    assert cut_short >= KILLS // 3, "most kills come in time"
    assert partly >= KILLS // 4, "many come between two chunks"


def test_the_others_finish_what_a_killed_process_had_in_hand(places: Any, right: dict[str, str]) -> None:
    place = places()
    leader, victim, other = started = place.start(3, SPECKS_GATE=str(place.root / "gate"))
    while len(place.begun()) < len(started) and not any(s.ended() for s in started):
        time.sleep(0.005)
    victim.kill()
    (place.root / "gate").touch()
    assert [s.wait() for s in (leader, victim, other)] == [0, -9, 0], leader.err
    assert place.predictions() == right
    twice = [first for first in chunk_stems() if place.begun().count(first) == 2]
    assert len(twice) == 1, "what the victim had begun, and nothing else, is begun again"


@pytest.mark.parametrize("beside", ["", "1"])
def test_an_error_in_one_process_is_one_line_and_keeps_what_is_finished(
    places: Any, right: dict[str, str], beside: str
) -> None:
    place = places()
    leader, other = place.start(2, SPECKS_BROKEN="00006", SPECKS_BESIDE=beside)
    assert leader.wait() == 2
    assert other.wait() in (0, 2)
    (said,) = (line for one in (leader, other) for line in one.err.splitlines() if "Expected" in line)
    assert said.endswith("(speck 6)")
    assert leader.out == ""
    assert not place.predictions()
    kept, begun = place.whole(), place.begun()
    assert "00004" not in kept
    assert len(kept) >= 7, "the leader has done its own half"
    place.run(2)
    assert place.predictions() == right
    assert kept.isdisjoint(place.begun()[len(begun) :])


def one_line(started: Started, *others: Started) -> str:
    """The error of a command with exit status 2: one line, and nothing on standard output.

    Of several processes the first that fails prints it, whichever that is.
    """
    assert started.wait() == 2, started.err
    assert {other.wait() for other in others} <= {0, 2}, "they run into it too, or hear that the first has given up"
    said = "".join(one.err for one in (started, *others))
    lines = [line for line in said.splitlines() if "random (seed 0)" not in line and "evaluating" not in line]
    assert len(lines) == 1, said
    assert started.out == ""
    return lines[0]


def test_a_mistake_in_the_command_is_one_line_of_one_process(places: Any) -> None:
    leader, *others = places().start(3, "-p", "10crp")
    assert "did you mean '10crop'?" in one_line(leader)
    assert [(other.wait(), other.err) for other in others] == [(0, "")] * 2


@pytest.mark.parametrize(
    ("loader", "said"),
    [
        ("padded", "got more"),
        ("drop-last", "got only 0"),
        ("one-twice", "3 distinct of 4"),
        ("unordered", " next, got "),
        ("as-they-come", " next, got "),
    ],
)
@pytest.mark.parametrize(("size", "beside"), [(1, ""), (1, "1"), (2, "")])
def test_a_loader_that_pads_drops_repeats_or_mixes_up_prints_no_number(
    places: Any, loader: str, said: str, size: int, beside: str
) -> None:
    place = places()
    started = place.start(size, "--loader", loader, SPECKS_BESIDE=beside)
    line = one_line(*started)
    assert said in line
    assert "no number is printed" in line
    assert not place.predictions()


def test_a_damaged_chunk_is_computed_again_with_its_company(places: Any, right: dict[str, str]) -> None:
    place = places()
    place.run(1)
    before = place.finished()
    chance = random.Random(1)
    victim = Path(chance.choice(sorted(before)))
    content = bytearray(victim.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    victim.write_bytes(content)
    for file in place.root.glob("results/runs/*/*"):
        file.unlink()
    begun = place.begun()
    place.run(1)
    assert place.predictions() == right
    assert len(place.begun()) == len(begun) + 1
    changed = {f for f, now in place.finished().items() if before[f] != now}
    assert {Path(f).stem for f in changed} == {victim.stem}
    assert len(changed) == VIEWS


def test_a_full_disk_is_one_line_and_loses_no_chunk(places: Any, right: dict[str, str]) -> None:
    """A limit on the file size simulates the disk: chunks fit, predictions do not."""
    place = places()
    (started,) = place.start(1, LARGEST_FILE="1500")
    line = one_line(started)
    assert line.startswith("benchsuite: Cannot write")
    assert "predictions.parquet" in line
    assert not place.predictions()
    assert not [f for f in place.root.rglob("*") if f.name.startswith(".")], "no half-written file is left"
    begun = place.begun()
    place.run(1)
    assert place.begun() == begun
    assert place.predictions() == right


def test_a_disk_that_is_full_from_the_start_is_one_line(places: Any) -> None:
    place = places()
    (started,) = place.start(1, LARGEST_FILE="600")
    assert ".logits" in one_line(started)
    assert not place.finished()


@contextmanager
def disk(folder: Path, options: str) -> Iterator[None]:
    """A small disk in memory; skips the test where none can be mounted."""
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk")
def test_a_small_disk_that_fills_up_is_one_line_and_goes_on_when_there_is_room(
    places: Any, right: dict[str, str]
) -> None:
    place = places()
    cache = place.root / "cache"
    with disk(cache, "size=200k"):
        (started,) = place.start(1)
        line = one_line(started)
        assert "No space left on device" in line
        assert str(cache) in line
        kept = place.whole()
        assert 0 < len(kept) < len(chunk_stems())
        subprocess.run(["mount", "-o", "remount,size=8m", str(cache)], check=True)
        begun = place.begun()
        place.run(2)
        assert place.predictions() == right
        assert kept.isdisjoint(place.begun()[len(begun) :])


@pytest.mark.parametrize("folder", ["cache", "results"])
def test_a_file_in_the_place_of_a_folder_is_one_line(places: Any, folder: str) -> None:
    place = places()
    (place.root / folder).write_text("not a folder")
    (started,) = place.start(1)
    line = one_line(started)
    assert str(place.root / folder) in line
    assert "Cannot write" in line


@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("folder", ["cache", "results"])
def test_a_read_only_folder_is_one_line(places: Any, folder: str, size: int) -> None:
    place = places()
    path = place.root / folder
    if os.geteuid() == 0:  # root may write wherever the disk can be written
        with disk(path, "ro"):
            leader, *others = place.start(size)
            line = one_line(leader, *others)
            assert line.startswith("benchsuite: Cannot write")
            assert "Read-only file system" in line
        return
    path.mkdir(mode=0o500)
    leader, *others = place.start(size)
    assert "Permission denied" in one_line(leader)
    for other in others:
        other.kill()
        other.wait()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk")
@pytest.mark.parametrize("size", [1, 2])
def test_a_whole_cache_that_cannot_be_written_answers(places: Any, right: dict[str, str], size: int) -> None:
    place = places()
    cache = place.root / "cache"
    with disk(cache, "size=8m"):
        place.run(1)
        for file in place.root.glob("results/runs/*/*"):
            file.unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(cache)], check=True)
        place.run(size)
    assert place.predictions() == right


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a disk")
@pytest.mark.parametrize("size", [1, 2])
@pytest.mark.parametrize("options", [(), ("--fresh",)])
def test_a_cache_that_lacks_something_and_cannot_be_written_is_one_line_before_the_first_image(
    places: Any, size: int, options: tuple[str, ...]
) -> None:
    place = places()
    cache = place.root / "cache"
    with disk(cache, "size=8m"):
        place.run(1)
        for file in place.root.glob("results/runs/*/*"):
            file.unlink()
        if not options:
            next(cache.rglob("*.logits")).unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(cache)], check=True)
        begun = place.begun()
        leader, *others = place.start(size, *options)
        line = one_line(leader, *others)
        assert "Read-only file system" in line
        assert "BENCHSUITE_CACHE names another folder" in line
        assert place.begun() == begun, "no image is read"
