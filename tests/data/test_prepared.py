"""Prepared files: the same pixels, the same counts; and whatever is not as it was is refused by name."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from npz_loader import BOX, FORMAT, GREYISH, BoxPlugin, write
from PIL import Image
from toys import TOP1_ERRORS, ToyPlugin

from benchsuite import (
    BadParameter,
    BenchsuiteError,
    Catalog,
    DataError,
    Loader,
    PluginError,
    Split,
    StorageError,
    View,
    load_plugins,
    testing,
)
from benchsuite.data import prepared_writer
from benchsuite.data.prepared_note import PreparedSpec, checksum
from benchsuite.data.prepared_reader import opened
from benchsuite.data.prepared_writer import prepare
from benchsuite.data.resize import resize, resized_shape
from benchsuite.progress import Progress
from benchsuite.runs.plan import RunRequest
from benchsuite.runs.run import run
from benchsuite.specs.catalog import open_dataset
from benchsuite.storage.files import cache_dir

CATALOG: Catalog = load_plugins(entry_points=False, extra=[ToyPlugin(), BoxPlugin()])
FULL = View(64)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Nine pictures of many sizes in two class folders."""
    chance = np.random.default_rng(0)
    for i in range(9):
        folder = tmp_path / "data" / ("cat" if i % 2 else "dog")
        folder.mkdir(parents=True, exist_ok=True)
        pixels = chance.integers(0, 256, (3 + 7 * i, 50 - 5 * i, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return tmp_path / "data"


def split_of(root: Path) -> Split:
    return open_dataset(f"folder:{root}", CATALOG)[1]


def make(root: Path, loader: Loader = BOX, **fields: Any) -> dict[str, Any]:
    return prepare(PreparedSpec(loader, split_of(root), f"folder:{root}", **fields), Progress(), 2)


def use(root: Path, *views: View, loader: Loader = BOX, split: Split | None = None) -> Loader:
    split = split or split_of(root)
    return opened(loader, split, split.samples, views or (FULL,), f"folder:{root}")


def pixels_of(loader: Loader, split: Split, samples: Any) -> list[Any]:
    assert loader.images is not None
    return list(loader.images(split, samples, lambda pixels, _: np.array(pixels), 0))


def left_behind() -> list[str]:
    return sorted(p.name for p in (cache_dir() / "prepared").glob("*")) if cache_dir().is_dir() else []


def test_a_prepared_file_gives_the_pixels_of_the_images_in_any_order(pictures: Path) -> None:
    note = make(pictures)
    split, loader = split_of(pictures), use(pictures)
    for asked in (split.samples, split.samples[::-2], split.samples[3:4], (), split.samples[2:4] * 2):
        for sample, found in zip(asked, pixels_of(loader, split, asked), strict=True):
            np.testing.assert_array_equal(found, np.asarray(split.read(sample)))
    assert (note["images"], note["cached"], note["exact"]) == (9, False, True)
    assert note["bytes"] == Path(note["file"]).stat().st_size


@pytest.mark.parametrize("protocol", ["1crop", "10crop", "fullconv"])
def test_a_run_from_a_prepared_file_is_the_same_run(tmp_path: Path, protocol: str) -> None:
    (_, split), results = open_dataset("toy", CATALOG), {}
    prepare(PreparedSpec(BOX, split, "toy"), Progress(), 0)
    for name in ("torch", "box"):
        request = RunRequest(
            ("toy",), (protocol,), "toy", loader=name, device="cpu", results=tmp_path / name, fresh=True
        )
        (row,) = run(request, CATALOG, Progress())
        assert row["top1_errors"] == TOP1_ERRORS[protocol]
        assert row["loader"] == name
        results[name] = row["run_id"], Path(row["path"], "predictions.parquet").read_bytes()
    assert results["torch"] == results["box"]


def test_a_run_with_a_loader_that_is_not_exact_is_another_run_and_says_so(tmp_path: Path) -> None:
    _, split = open_dataset("toy", CATALOG)
    prepare(PreparedSpec(GREYISH, split, "toy"), Progress(), 0)
    told: list[str] = []

    class Heard(Progress):
        def note(self, text: str) -> None:
            told.append(text)

    rows = []
    for name in ("torch", "box:greyish"):
        request = RunRequest(("toy",), ("1crop",), "toy", loader=name, device="cpu", results=tmp_path)
        rows += run(request, CATALOG, Heard())
    assert rows[0]["run_id"] != rows[1]["run_id"]
    assert [note for note in told if "box:greyish" in note and "not" in note]
    manifest = json.loads(Path(rows[1]["path"], "manifest.json").read_text())
    assert manifest["numerics"]["loader"] == "box:greyish"
    assert "--loader box:greyish" in manifest["command"]
    exact, darker = (pd.read_parquet(Path(row["path"], "predictions.parquet")) for row in rows)
    assert not exact["probability_true"].equals(darker["probability_true"])


def test_without_a_prepared_file_no_image_is_read_and_the_command_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchsuite.models.weights.build", lambda *_: pytest.fail("a network was built"))
    request = RunRequest(("toy",), ("1crop",), "toy", loader="box", device="cpu", results=tmp_path)
    with pytest.raises(DataError, match=r"got no file \(make it with: benchsuite data prepare toy --loader box\)"):
        run(request, CATALOG, Progress())


def test_a_path_with_a_space_is_quoted_in_the_command(pictures: Path, tmp_path: Path) -> None:
    moved = pictures.rename(tmp_path / "my data")
    with pytest.raises(DataError, match=r"prepare 'folder:.*/my data' --loader box\)"):
        use(moved)


def change(root: Path) -> str:
    Image.new("RGB", (5, 5)).save(root / "cat" / "3.png")
    return "cat/3.png, which has changed since"


def touch(root: Path) -> str:
    os.utime(root / "dog" / "4.png", ns=(1, 1))
    return "dog/4.png, which has changed since"


def add(root: Path) -> str:
    Image.new("RGB", (5, 5)).save(root / "cat" / "30.png")
    return "cat/30.png, which is not in it"


def remove(root: Path) -> str:
    (root / "dog" / "4.png").unlink()
    return "dog/4.png, which is gone"


def relabel(root: Path) -> str:
    (root / "bird").mkdir()
    Image.new("RGB", (5, 5)).save(root / "bird" / "0.png")
    return "bird/0.png, which is not in it"


@pytest.mark.parametrize("damage", [change, touch, add, remove, relabel])
def test_images_that_changed_since_are_refused_by_name(pictures: Path, damage: Callable[[Path], str]) -> None:
    make(pictures)
    said = damage(pictures)
    with pytest.raises(DataError, match=f"as they are, got {said}.*make it .*benchsuite data prepare folder:"):
        use(pictures)
    make(pictures)
    use(pictures)


@pytest.mark.parametrize("damage", [change, touch])
@pytest.mark.parametrize("view", [None, View(8), View(9, interpolation="bicubic")])
def test_the_command_that_is_named_makes_the_file_that_was_refused(
    pictures: Path, view: View | None, damage: Callable[[Path], str]
) -> None:
    """Another one, of full size, would leave the refused one where it is, to be found and refused again."""
    make(pictures, view=view)
    damage(pictures)
    with pytest.raises(DataError) as refused:
        use(pictures, view or FULL)
    words = str(refused.value).partition("benchsuite data prepare ")[2].rstrip(")").split()
    asked = dict(zip(words[1::2], words[2::2], strict=True))
    size, how = asked.pop("--short-side", None), asked.pop("--interpolation", "bilinear")
    assert asked == {"--loader": "box"}
    make(pictures, view=View(int(size), interpolation=how) if size else None)
    use(pictures, view or FULL)


def test_labels_that_changed_are_refused_by_name(pictures: Path) -> None:
    make(pictures)
    split = split_of(pictures)
    swapped = dataclasses.replace(
        split, samples=tuple(dataclasses.replace(s, label=1 - s.label) for s in split.samples)
    )
    with pytest.raises(DataError, match=r"cat/1.png, which has another label since"):
        use(pictures, split=swapped)


def test_another_data_set_of_the_same_name_is_not_taken_for_it(pictures: Path, tmp_path: Path) -> None:
    make(pictures)
    for name in ("x", "y"):
        (tmp_path / "other" / "data" / name).mkdir(parents=True)
        Image.new("RGB", (5, 5)).save(tmp_path / "other" / "data" / name / "0.png")
    with pytest.raises(DataError, match="got no file"):
        use(tmp_path / "other" / "data")


def shorten(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("damage", "said"),
    [(Path.unlink, "no such file"), (shorten, "a changed one"), (lambda f: os.utime(f, ns=(1, 1)), "a changed one")],
)
def test_a_file_that_changed_is_refused_before_and_during_a_run(
    pictures: Path, damage: Callable[[Path], None], said: str
) -> None:
    file = Path(make(pictures)["file"])
    loader, split = use(pictures), split_of(pictures)
    damage(file)
    for attempt in (lambda: use(pictures), lambda: pixels_of(loader, split, split.samples)):
        with pytest.raises(DataError, match=f"as it was when it was checked, got {said} .*{file.name}"):
            attempt()
    assert make(pictures)["cached"] is False
    use(pictures)


def test_a_file_made_by_another_decoder_is_refused(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(pictures)
    monkeypatch.setattr("benchsuite.data.prepared_reader.decoder", lambda: "Pillow 99")
    with pytest.raises(DataError, match="made with Pillow 99, got one of Pillow"):
        use(pictures)


def test_a_damaged_note_is_as_none(pictures: Path) -> None:
    make(pictures)
    (note,) = (cache_dir() / "prepared").glob("*.json")
    for text in ("", "[]", "{", '{"version": 0}'):
        note.write_text(text)
        with pytest.raises(DataError, match="got no file"):
            use(pictures)
    make(pictures)
    use(pictures)


def test_images_resized_before_have_the_pixels_of_images_resized_after(pictures: Path) -> None:
    view = View(8, interpolation="bicubic")
    note = make(pictures, view=view)
    split, loader = split_of(pictures), use(pictures, view, dataclasses.replace(view, flip=True))
    assert note["file"].endswith("-8_bicubic_floor.box")
    for sample, found in zip(split.samples, pixels_of(loader, split, split.samples), strict=True):
        image = split.read(sample)
        np.testing.assert_array_equal(found, resize(image, *resized_shape(image.height, image.width, view), view))


@pytest.mark.parametrize(
    "other",
    [
        View(8),
        View(9, interpolation="bicubic"),
        View((8, 8), interpolation="bicubic"),
        View(8, interpolation="bicubic", antialias=False),
        View(8, interpolation="bicubic", long_side="round"),
    ],
)
def test_a_resized_file_is_refused_for_any_other_view_and_the_full_one_serves_all(pictures: Path, other: View) -> None:
    view = View(8, interpolation="bicubic")
    make(pictures, view=view)
    with pytest.raises(DataError, match=r"prepared at full size, .* got one of short side 8, bicubic .*--loader box\)"):
        use(pictures, view, other)
    make(pictures)
    split = split_of(pictures)
    whole, small = (pixels_of(use(pictures, *views), split, split.samples) for views in ((view, other), (view,)))
    assert [p.shape for p in whole] == [np.asarray(split.read(s)).shape for s in split.samples]
    assert all(min(p.shape[:2]) == 8 for p in small)
    unknown = opened(BOX, split, split.samples, (), "folder")
    assert [p.shape for p in pixels_of(unknown, split, split.samples)] == [p.shape for p in whole]


def test_a_loader_that_is_not_exact_or_reads_no_file_takes_no_short_side(pictures: Path) -> None:
    with pytest.raises(BadParameter, match="--short-side to be for a loader that is exact, got box:greyish"):
        make(pictures, GREYISH, view=FULL)
    with pytest.raises(BadParameter, match="one that reads a prepared file, got torch"):
        make(pictures, CATALOG.loaders["torch"])


def test_what_is_there_is_left_alone_and_made_again_when_asked(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = make(pictures)
    monkeypatch.setattr(prepared_writer, "in_order", lambda *_: pytest.fail("an image was read"))
    assert make(pictures) == {**first, "cached": True}
    monkeypatch.undo()
    assert make(pictures, fresh=True)["cached"] is False


def test_a_file_lies_where_it_is_asked_and_is_found_there(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "x.box"
    assert make(pictures, out=out)["file"] == str(out)
    split = split_of(pictures)
    assert len(pixels_of(use(pictures), split, split.samples)) == 9
    assert make(pictures, out=out, fresh=True)["cached"] is False
    assert make(pictures)["file"] != str(out)


def test_nothing_of_the_users_is_overwritten(pictures: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("mine")
    for out in (mine, tmp_path):
        with pytest.raises(BadParameter, match=f"--out to be a new file, got .*{out}"):
            make(pictures, out=out)
    assert mine.read_text() == "mine"


Pairs = Iterator[tuple[Any, Any]]


def spoiled(change: Callable[[Pairs], Pairs], base: Loader = BOX) -> Loader:
    """A loader whose format writes something else than it is given."""

    def write_other(path: Path, count: int, images: Pairs) -> None:
        pairs = list(change(images))
        write(path, len(pairs), iter(pairs))

    assert base.file is not None
    return dataclasses.replace(base, file=dataclasses.replace(base.file, write=write_other))


def dropping(images: Pairs) -> Pairs:
    yield from list(images)[:-1]


def repeating(images: Pairs) -> Pairs:
    pairs = list(images)
    yield from (pairs[0], pairs[0], *pairs[2:])


def swapping(images: Pairs) -> Pairs:
    first, second, *rest = images
    yield from (second, first, *rest)


def one_bit(images: Pairs) -> Pairs:
    for sample, pixels in images:
        other = pixels.copy()
        other[-1, -1, -1] ^= sample.id == "dog/4.png"
        yield sample, other


def other_shape(images: Pairs) -> Pairs:
    for sample, pixels in images:
        yield sample, pixels.reshape(pixels.shape[1], pixels.shape[0], 3)


def half(images: Pairs) -> Pairs:
    yield next(images)


@pytest.mark.parametrize("change", [dropping, repeating, swapping, one_bit, other_shape, half])
def test_a_format_that_drops_repeats_or_changes_anything_is_caught_and_nothing_is_left(
    pictures: Path, change: Callable[[Pairs], Pairs]
) -> None:
    with pytest.raises((PluginError, KeyError)):
        make(pictures, spoiled(change))
    assert left_behind() == []


def test_a_format_that_is_not_exact_is_held_to_the_right_order(pictures: Path) -> None:
    make(pictures, GREYISH)
    with pytest.raises(PluginError, match=r"with the pixels of every image, in order, got others for cat/1\.png"):
        make(pictures, spoiled(swapping, GREYISH), fresh=True)


def test_a_full_disk_leaves_nothing_behind(pictures: Path) -> None:
    def full(path: Path, count: int, images: Pairs) -> None:
        path.write_bytes(b"half")
        next(images)
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match=r"Cannot write .*: No space left on device"):
        make(pictures, dataclasses.replace(BOX, file=dataclasses.replace(FORMAT, write=full)))
    assert left_behind() == []


def test_a_broken_image_is_named_and_nothing_is_left(pictures: Path) -> None:
    path = pictures / "dog" / "4.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=f"whole and readable, got .*{path}"):
        make(pictures)
    assert left_behind() == []


def killed_while(root: Path, moment: str, out: Path | None = None) -> subprocess.Popen[bytes]:
    """A process that prepares the pictures and has come to ``moment``, where it waits to be killed."""
    program = (
        "import dataclasses, sys, time, test_prepared as t\n"
        "def stay(*_):\n    print('there', flush=True)\n    time.sleep(60)\n"
        "def write(path, count, images):\n    path.write_bytes(b'half')\n    stay()\n"
        "moment, root, out = sys.argv[1:]\n"
        "form = dataclasses.replace(t.FORMAT, **({'write': write} if moment == 'writing' else {'open': stay}))\n"
        "t.make(t.Path(root), dataclasses.replace(t.BOX, file=form), out=t.Path(out) if out else None)\n"
    )
    words = [sys.executable, "-c", program, moment, str(root), str(out or "")]
    child = subprocess.Popen(
        words,
        stdout=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1] / "made")]),
        },
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"there\n"
    return child


@pytest.mark.parametrize("moment", ["writing", "checking"])
@pytest.mark.parametrize("place", ["cache", "out"])
def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_not(
    pictures: Path, tmp_path: Path, moment: str, place: str
) -> None:
    out = tmp_path / "x.box" if place == "out" else None
    folder = tmp_path if out else cache_dir() / "prepared"
    with killed_while(pictures, moment, out) as child:
        try:
            (part,) = folder.glob(".*.box.*")
            note = make(pictures, view=View(8))
            assert part.exists()
        finally:
            child.kill()
    assert part.exists()
    assert make(pictures, out=out)["cached"] is False
    assert not list(folder.glob(".*"))
    assert Path(note["file"]).exists()


def test_a_file_that_another_process_is_making_is_waited_for(pictures: Path) -> None:
    told: list[str] = []

    with killed_while(pictures, "checking") as child:

        class Heard(Progress):
            def note(self, text: str) -> None:
                told.append(text)
                child.kill()

        split = split_of(pictures)
        note = prepare(PreparedSpec(BOX, split, f"folder:{pictures}"), Heard(), 2)
    assert told == [f"another process is making {note['file']}: waiting for it"]
    assert note["cached"] is False
    assert len(pixels_of(use(pictures), split, split.samples)) == 9


def test_what_another_process_has_made_meanwhile_is_not_made_again(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @contextlib.contextmanager
    def made_meanwhile(*_: Any) -> Iterator[None]:
        monkeypatch.undo()
        make(pictures)
        monkeypatch.setattr(prepared_writer, "in_order", lambda *_: pytest.fail("an image was read"))
        yield

    monkeypatch.setattr(prepared_writer, "_alone", made_meanwhile)
    assert make(pictures)["cached"] is True


def test_files_of_an_earlier_state_of_the_images_are_named(pictures: Path, tmp_path: Path) -> None:
    first, small = make(pictures), make(pictures, view=View(8))
    change(pictures)
    told: list[str] = []

    class Heard(Progress):
        def note(self, text: str) -> None:
            told.append(text)

    for _ in range(2):
        prepare(PreparedSpec(BOX, split_of(pictures), f"folder:{pictures}"), Heard(), 2)
    assert told == [f"{first['file']} holds these images in another state: delete it, unless it is still needed"]
    assert Path(small["file"]).exists()


def swap_two_bytes(pixels: Any) -> Any:
    changed = pixels.copy()
    changed.flat[[0, 5]] = changed.flat[[5, 0]]
    return changed


def turn(pixels: Any) -> Any:
    return pixels.reshape(pixels.shape[1], pixels.shape[0], 3)


@pytest.mark.parametrize("damage", [lambda p: p ^ 1, swap_two_bytes, turn, lambda p: p[:-1]])
@pytest.mark.parametrize("loader", [BOX, GREYISH])
def test_damage_that_leaves_size_and_time_as_they_were_is_found_in_the_image_that_has_it(
    pictures: Path, loader: Loader, damage: Callable[[Any], Any]
) -> None:
    make(pictures, loader)
    assert loader.file is not None
    opening = loader.file.open

    def spoiled_rows(path: Path) -> Any:
        rows = opening(path)

        def second(numbers: Any, then: Any, workers: int) -> Any:
            for number in numbers:
                yield from rows([number], lambda p, s, i=number: then(damage(p) if i == 4 else p, s), workers)

        return second

    spoilt = dataclasses.replace(loader, file=dataclasses.replace(loader.file, open=spoiled_rows))
    split, images = split_of(pictures), use(pictures, loader=spoilt).images
    bad, found = split.samples[4].id, list[Any]()
    assert images is not None
    with pytest.raises(DataError, match=f"with the pixels that were checked, got others for {bad} .*--fresh"):
        found.extend(images(split, split.samples, lambda pixels, _: pixels, 0))
    assert len(found) == 4


def test_a_file_that_cannot_be_opened_says_how_to_make_it_again(pictures: Path) -> None:
    make(pictures)

    def broken(path: Path) -> Any:
        raise DataError(f"Expected the prepared file to be whole, got half of it ({path})")

    loader = dataclasses.replace(BOX, file=dataclasses.replace(FORMAT, open=broken))
    with pytest.raises(
        DataError, match=r"\.box\): make it again with: benchsuite data prepare .*--loader box --fresh$"
    ):
        use(pictures, loader=loader)


def test_loaders_of_prepared_files_keep_the_contract_or_are_refused() -> None:
    testing.check_loader(BOX)
    testing.check_loader(GREYISH)
    for change, said in ((repeating, "read()"), (dropping, "without an error, got KeyError")):
        with pytest.raises(PluginError, match="Expected") as caught:
            testing.check_loader(spoiled(change))
        assert said in str(caught.value)
    with pytest.raises(PluginError, match="images and file to be one of them"):
        testing.check_loader(dataclasses.replace(BOX, file=None))


def test_what_is_not_installed_is_said_when_it_is_needed(pictures: Path) -> None:
    def missing() -> None:
        raise DataError("Expected box to be installed, got no module (pip install box)")

    loader = dataclasses.replace(BOX, file=dataclasses.replace(FORMAT, check=missing))
    with pytest.raises(BenchsuiteError, match="pip install box"):
        make(pictures, loader)
    make(pictures)
    with pytest.raises(BenchsuiteError, match="pip install box"):
        use(pictures, loader=loader)


@pytest.mark.parametrize("shape", [(1, 1, 3), (32, 32, 3), (33, 47, 3), (40, 101, 3), (150, 211, 3)])
def test_a_checksum_sees_any_bit_and_the_shape(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    right = checksum(pixels)
    assert checksum(pixels.copy()) == checksum(np.asfortranarray(pixels)) == right
    assert checksum(pixels.reshape(shape[1], shape[0], 3)) != right or shape[0] == shape[1]
    bits = range(8 * pixels.size) if pixels.size < 100 else random.Random(0).sample(range(8 * pixels.size), 300)
    flat = pixels.reshape(-1)
    for bit in (*bits, 0, 8 * pixels.size - 1):
        flat[bit // 8] ^= 1 << bit % 8
        assert checksum(pixels) != right
        flat[bit // 8] ^= 1 << bit % 8


@pytest.mark.parametrize("block", [512, 4096, 65536])
def test_a_checksum_sees_blocks_that_are_lost_or_change_places(block: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (512, 512, 3), dtype=np.uint8)
    right, blocks = checksum(pixels), pixels.reshape(-1, block)
    blocks[[1, 4]] = blocks[[4, 1]]
    assert checksum(pixels) != right
    blocks[[1, 4]] = blocks[[4, 1]]
    assert checksum(pixels) == right
    blocks[2] = 0
    assert checksum(pixels) != right
