"""Tests of a whole evaluation with a predict function of five lines, compared with answers computed by hand."""

from __future__ import annotations

import dataclasses
import time
from contextlib import nullcontext
from pathlib import Path
from threading import Event, Lock, Thread, current_thread
from typing import Any

import numpy as np
import pytest
from toy_evaluation import SETTINGS, Ahead, CountingPredict, opener, questions
from toys import LABELS, SCORES_10CROP, TOP1_ERRORS, images, split_of

from benchsuite import BenchsuiteError, Crop, DataError, Sample, Split, StorageError, View, evaluator
from benchsuite.evaluation.input_pipeline import cutter
from benchsuite.evaluation.question import Question
from benchsuite.evaluator import Answer, Settings, evaluate, fill, of_several


def walk(asked: list[Question], root: Path, predict: Any = None, settings: Settings = SETTINGS) -> list[Answer]:
    steps: list[int] = []
    answers = list(evaluate(asked, opener(root, predict or CountingPredict()), settings, steps.append))
    views = {v for q in asked for m in q.members for v in m.views}
    assert sum(steps) == len(asked[0].samples) * len(views)
    return answers


def test_counts_are_those_computed_by_hand(tmp_path: Path) -> None:
    asked = questions("1crop", "10crop", "toy")
    counts = {a.question.bound.label: a.counts for a in walk(asked, tmp_path)}
    assert {p: c["top1_errors"] for p, c in counts.items()} == {p: TOP1_ERRORS[p] for p in counts}
    assert all(c["n"] == 5 and c["top5_errors"] == 0 for c in counts.values())


def test_probabilities_of_ten_crops_are_those_computed_by_hand(tmp_path: Path) -> None:
    (answer,) = walk(questions("10crop"), tmp_path)
    made = dict(zip(answer.columns["id"], answer.columns["probability_true"], strict=True))
    for name, probability in made.items():
        assert probability == pytest.approx(SCORES_10CROP[name][LABELS[name]], abs=1e-6)


def test_three_protocols_in_one_run_forward_each_distinct_view_once(tmp_path: Path) -> None:
    protocols = ("1crop", "10crop", "10crop:merge=logit", "toy:flip=false")
    together = CountingPredict()
    joint = walk(questions(*protocols), tmp_path / "joint", together)
    distinct = {v for q in questions(*protocols) for v in q.members[0].views}
    assert together.images == 5 * len(distinct) == 5 * 10  # the centre and two corners are among the ten crops
    alone = []
    for protocol in protocols:
        alone += walk(questions(protocol), tmp_path / protocol, CountingPredict())
    for a, b in zip(joint, alone, strict=True):
        assert a.counts == b.counts
        assert all(np.array_equal(a.columns[c], b.columns[c]) for c in a.columns)


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_batch_size_changes_nothing(tmp_path: Path, batch_size: int) -> None:
    reference = walk(questions("10crop"), tmp_path / "reference")
    other = walk(questions("10crop"), tmp_path / "other", settings=Settings(batch_size, workers=0))
    assert other[0].counts == reference[0].counts
    np.testing.assert_array_equal(other[0].columns["rank"], reference[0].columns["rank"])


def test_order_of_the_files_changes_nothing(tmp_path: Path) -> None:
    shuffled = {name: images()[name] for name in ("d", "b", "e", "a", "c")}
    asked = questions("10crop")
    again = [dataclasses.replace(q, split=split_of(shuffled, LABELS)) for q in asked]
    a, b = walk(asked, tmp_path / "a"), walk(again, tmp_path / "b")
    assert a[0].columns["id"] == b[0].columns["id"] == sorted(shuffled)
    assert a[0].counts == b[0].counts


def test_finished_chunks_are_not_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchsuite.evaluator.CHUNK", 2)
    broken = CountingPredict(breaks_at=4)
    with pytest.raises(KeyboardInterrupt):
        walk(questions("1crop"), tmp_path, broken, Settings(1, 0))
    assert broken.images == 3  # one whole chunk of two images, and one image of the next
    after = CountingPredict()
    (answer,) = walk(questions("1crop"), tmp_path, after, Settings(1, 0))
    assert after.images == 3
    assert answer.counts["top1_errors"] == TOP1_ERRORS["1crop"]
    assert answer.columns["id"] == list("abcde")


def reads(question: Question, told: list[str], broken: str = "") -> Question:
    """The question with images that record when they are read."""

    def read(sample: Sample) -> Any:
        told.append(f"read {sample.id}")
        if sample.id == broken:
            raise DataError(f"broken {sample.where}")
        return images()[sample.id]

    return dataclasses.replace(question, split=dataclasses.replace(question.split, read=read))


def test_a_device_beside_the_host_goes_from_chunk_to_chunk_without_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchsuite.evaluator.CHUNK", 2)
    told: list[str] = []
    asked = [reads(q, told) for q in questions("1crop")]
    (answer,) = walk(asked, tmp_path / "ahead", Ahead(told))
    assert [t for t in told if t.startswith("read")] == [f"read {name}" for name in "abcde"]
    device = ["begin 1", "begin 2", "finish 1", "begin 3", "finish 2", "finish 3"]
    assert [t for t in told if not t.startswith("read")] == device
    (plain,) = walk(asked, tmp_path / "plain")
    assert all(np.array_equal(answer.columns[c], plain.columns[c]) for c in plain.columns)
    assert answer.opened[0].seconds.images == plain.opened[0].seconds.images == 5
    files = [sorted(p.name for p in (tmp_path / n).rglob("*.logits")) for n in ("ahead", "plain")]
    assert len(files[0]) == 3
    assert files[0] == files[1]


def test_a_broken_image_of_the_next_chunk_loses_nothing_of_one_that_is_under_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchsuite.evaluator.CHUNK", 2)
    asked = questions("1crop")
    with pytest.raises(DataError, match="memory:c"):
        walk([reads(asked[0], [], "c")], tmp_path, Ahead([]))
    after = CountingPredict()
    walk(asked, tmp_path, after)
    assert after.images == 3, "the first two were kept"


@pytest.mark.parametrize(("chunk", "batch_size", "workers"), [(1, 3, 0), (2, 1, 2), (3, 64, 1), (5, 4, 3)])
def test_reading_ahead_changes_no_byte(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, batch_size: int, workers: int
) -> None:
    """Also where score maps of several chunks share a batch, and where some chunks are in the cache already."""
    monkeypatch.setattr("benchsuite.evaluator.CHUNK", chunk)
    asked, settings = questions("10crop", "toy"), Settings(batch_size, workers, held=4000)
    plain = walk(asked, tmp_path / "plain", settings=settings)
    (ahead, again) = (walk(asked, tmp_path / "ahead", Ahead([]), settings) for _ in range(2))
    for answers in (ahead, again):
        for one, other in zip(plain, answers, strict=True):
            assert all(np.array_equal(one.columns[c], other.columns[c]) for c in one.columns)
    files = {n: {p.name: p.read_bytes() for p in (tmp_path / n).rglob("*.logits")} for n in ("plain", "ahead")}
    assert files["plain"] == files["ahead"]
    next((tmp_path / "ahead").rglob("*.logits")).unlink()
    walk(asked, tmp_path / "ahead", Ahead([]), settings)
    assert files["plain"] == {p.name: p.read_bytes() for p in (tmp_path / "ahead").rglob("*.logits")}


def test_what_a_device_computes_beside_the_host_is_time_as_well(tmp_path: Path) -> None:
    """Else the reported speed would be too high, by the time that it computes while chunks are scored."""
    (asked,) = questions("1crop")
    (member,) = asked.members
    spent, clocks = [], []
    for i, predict in enumerate((Ahead([]), CountingPredict())):
        network = opener(tmp_path / str(i), predict)(member, member.views)
        chunks = [asked.samples[:2], asked.samples[2:4], asked.samples[4:]]
        start = time.perf_counter()
        for _ in fill(network, asked.images, chunks, SETTINGS, lambda _: None):
            time.sleep(0.2)
        clocks.append(time.perf_counter() - start)
        spent.append(network.seconds.total)
    assert 0.4 < spent[0] < clocks[0] - 0.2, "two pauses between three chunks, each counted once"
    assert spent[1] < clocks[1] - 0.6, "none of them"
    again = opener(tmp_path / "0", Ahead([]))(member, member.views)
    assert len(list(fill(again, asked.images, chunks, SETTINGS, lambda _: None))) == 3
    assert again.seconds.total == 0


@pytest.mark.parametrize("ahead", [True, False])
def test_chunks_are_scored_while_a_device_computes_the_next_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: bool
) -> None:
    """On a CPU they are scored between two chunks, as the network needs its threads."""
    monkeypatch.setattr("benchsuite.evaluator.CHUNK", 1)
    read_third, threads, scoring = Event(), list[str](), evaluator.score

    def score(*args: Any) -> Any:
        threads.append(current_thread().name)
        assert not ahead or read_third.wait(10), "nothing was read while the first chunk was scored"
        return scoring(*args)

    def read(sample: Sample) -> Any:
        if sample.id == "c":
            read_third.set()
        return images()[sample.id]

    monkeypatch.setattr(evaluator, "score", score)
    (asked,) = questions("1crop")
    asked = dataclasses.replace(asked, split=dataclasses.replace(asked.split, read=read))
    (answer,) = walk([asked], tmp_path, Ahead([]) if ahead else CountingPredict())
    assert answer.counts["top1_errors"] == TOP1_ERRORS["1crop"]
    assert len(threads) == 5
    assert all(name.startswith("benchsuite-scores") is ahead for name in threads)


def test_fresh_computes_every_chunk_again(tmp_path: Path) -> None:
    walk(questions("1crop"), tmp_path)
    again = CountingPredict()
    walk(questions("1crop"), tmp_path, again, Settings(4, 0, fresh=True))
    assert again.images == 5


def test_damaged_chunk_is_computed_again(tmp_path: Path) -> None:
    walk(questions("1crop"), tmp_path)
    (file,) = tmp_path.rglob("*.logits")
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(data)
    again = CountingPredict()
    (answer,) = walk(questions("1crop"), tmp_path, again)
    assert again.images == 5
    assert answer.counts["top1_errors"] == TOP1_ERRORS["1crop"]


def test_another_data_set_with_the_same_ids_is_not_answered_from_the_first(tmp_path: Path) -> None:
    """Both are in memory, and their samples have no stamp."""

    def of(name: str, pixels: dict[str, Any]) -> Question:
        samples = tuple(dataclasses.replace(s, stamp="") for s in questions("1crop")[0].samples)
        split = Split(name, samples, ("red", "green"), True, lambda sample: pixels[sample.id])
        return dataclasses.replace(questions("1crop")[0], split=split, samples=samples)

    mirrored = {name: pixels[:, :, [1, 0, 2]] for name, pixels in images().items()}
    (one,) = walk([of("toy", images())], tmp_path)
    (other,) = walk([of("swapped", mirrored)], tmp_path)
    (alone,) = walk([of("swapped", mirrored)], tmp_path / "alone")
    assert other.columns["rank"].tolist() == alone.columns["rank"].tolist() != one.columns["rank"].tolist()


def test_broken_image_stops_the_walk_by_name(tmp_path: Path) -> None:
    def read(sample: Sample) -> Any:
        if sample.id == "c":
            raise DataError(f"broken {sample.where}")
        return images()[sample.id]

    asked = questions("1crop")
    split = Split("toy", asked[0].samples, ("red", "green"), True, read)
    with pytest.raises(DataError, match="memory:c"):
        walk([dataclasses.replace(asked[0], split=split)], tmp_path)


def test_not_a_number_is_refused(tmp_path: Path) -> None:
    def predict(pixels: Any, flips: Any, view: Any) -> Any:
        return np.full((len(pixels), 2), np.nan, dtype=np.float32), 1

    with pytest.raises(BenchsuiteError, match="finite"):
        walk(questions("1crop"), tmp_path, predict)


def test_padded_or_dropped_samples_print_no_number(tmp_path: Path) -> None:
    (asked,) = questions("1crop")

    def padded(split: Any, samples: Any, then: Any, workers: int) -> Any:
        for sample in (*samples, samples[0]):
            yield then(split.read(sample), 0.0)

    def dropped(split: Any, samples: Any, then: Any, workers: int) -> Any:
        for sample in samples[:4]:
            yield then(split.read(sample), 0.0)

    for images_of in (padded, dropped):
        loader = dataclasses.replace(asked.loader, images=images_of)
        with pytest.raises(BenchsuiteError, match="5 images"):
            walk([dataclasses.replace(asked, loader=loader)], tmp_path / images_of.__name__)


def test_ensemble_of_one_network_is_that_network(tmp_path: Path) -> None:
    one, both = walk(questions("10crop", "ensemble:protocol=10crop"), tmp_path)
    assert both.question.bound.inner is not None
    np.testing.assert_allclose(both.columns["probability_true"], one.columns["probability_true"], atol=1e-12)
    assert both.counts["top1_errors"] == one.counts["top1_errors"]


def test_logits_that_are_gone_before_an_ensemble_has_read_them_are_one_line(tmp_path: Path) -> None:
    (asked,) = questions("1crop")
    (member,) = asked.members
    network = opener(tmp_path, CountingPredict())(member, member.views)
    for _ in fill(network, asked.images, [asked.samples], SETTINGS, lambda _: None):
        pass
    assert len(list(of_several(asked, {member.identity: network}))) == 1
    next(tmp_path.rglob("*.logits")).unlink()
    with pytest.raises(StorageError, match="Expected the cache to be unchanged"):
        list(of_several(asked, {member.identity: network}))


def test_readers_that_take_turns_with_the_network_change_nothing(tmp_path: Path) -> None:
    held: list[bool] = []

    class Watched(CountingPredict):
        def __call__(self, pixels: Any, flips: Any, view: Any) -> Any:
            held.append(turn.locked())
            return super().__call__(pixels, flips, view)

    turn = Lock()
    alone = walk(questions("10crop"), tmp_path / "alone")
    turns = walk(questions("10crop"), tmp_path / "turns", Watched(), Settings(4, workers=3, turn=turn))
    assert held
    assert all(held)
    assert not turn.locked()
    assert all(np.array_equal(alone[0].columns[c], turns[0].columns[c]) for c in alone[0].columns)


def test_resized_images_count_as_bytes_in_flight_once_for_each_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    monkeypatch.setattr("benchsuite.evaluation.input_pipeline.reserve", asked.append)
    views = (View(20, crop=Crop(8)), View(20, crop=Crop(16)), View(30), View(30, antialias=False))
    found = cutter(views, nullcontext())(np.zeros((10, 40, 3), np.uint8), 0.0).pixels
    assert [p.shape[:2] for p in found] == [(8, 8), (16, 16), (30, 120), (30, 120)]
    assert asked == [8 * 20 * 80, 8 * 30 * 120, 32 * 30 * 120]


@pytest.mark.parametrize(("length", "alone"), [(2000, True), (200, False)])
def test_a_small_crop_does_not_keep_a_large_image(length: int, alone: bool) -> None:
    narrow = np.random.default_rng(0).integers(0, 256, (length, 20, 3), dtype=np.uint8)
    small, whole = cutter((View(300, crop=Crop(32)), View(300)), nullcontext())(narrow, 0.0).pixels
    top, left = (whole.shape[0] - 32) // 2, (whole.shape[1] - 32) // 2
    assert np.array_equal(small, whole[top : top + 32, left : left + 32])
    assert np.shares_memory(small, whole) is not alone


def test_an_image_is_cut_only_when_the_network_is_idle() -> None:
    turn, done = Lock(), Event()
    view = questions("1crop")[0].members[0].views[0]
    then = cutter((view,), turn)
    with turn:
        reader = Thread(target=lambda: (then(np.zeros((9, 9, 3), np.uint8), 0.0), done.set()))
        reader.start()
        assert not done.wait(0.05)
    assert done.wait(10)
    reader.join()


def ordered(name: str, images_of: Any) -> Question:
    (asked,) = questions("1crop")
    return dataclasses.replace(asked, loader=dataclasses.replace(asked.loader, name=name, images=images_of))


def test_images_in_another_order_print_no_number(tmp_path: Path) -> None:
    def backwards(split: Any, samples: Any, then: Any, workers: int) -> Any:
        return (then(split.read(s), 0.0) for s in reversed(samples))

    with pytest.raises(BenchsuiteError, match="loader backwards to give a next, got e: no number is printed"):
        walk([ordered("backwards", backwards)], tmp_path)


def test_a_loader_that_reads_ahead_or_hands_on_copies_is_believed(tmp_path: Path) -> None:
    """Two samples may share an image, and a loader may copy images: then the sample of an image cannot be checked."""

    def ahead(split: Any, samples: Any, then: Any, workers: int) -> Any:
        return (then(image, 0.0) for image in [split.read(s) for s in samples])

    def copies(split: Any, samples: Any, then: Any, workers: int) -> Any:
        return (then(split.read(s).copy(), 0.0) for s in samples)

    for of in (ahead, copies):
        (answer,) = walk([ordered(of.__name__, of)], tmp_path / of.__name__)
        assert answer.counts["top1_errors"] == TOP1_ERRORS["1crop"]
