"""Tests of writing prepared files: every image is read back, nothing is overwritten, a killed process leaves none."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from npz_loader import BOX, FORMAT, GREYISH, write
from prepared_pictures import CATALOG, FULL, change, make, pixels_of, split_of, use
from recorded_progress import RecordedProgress

from benchsuite import BadParameter, BenchsuiteError, DataError, Loader, PluginError, StorageError, View, testing
from benchsuite.data import prepared_writer
from benchsuite.data.prepared_note import PreparedSpec
from benchsuite.data.prepared_writer import prepare
from benchsuite.progress import Progress
from benchsuite.storage.files import cache_dir


def left_behind() -> list[str]:
    return sorted(p.name for p in (cache_dir() / "prepared").glob("*")) if cache_dir().is_dir() else []


def test_a_loader_that_is_not_exact_or_reads_no_file_takes_no_short_side(pictures: Path) -> None:
    with pytest.raises(BadParameter, match="--short-side to be used with an exact loader, got box:greyish"):
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
    """A loader whose format writes other pixels than it receives."""

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
    with pytest.raises(PluginError, match=r"with the pixels of every image, in order, got other pixels for cat/1\.png"):
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
    """A process that prepares the pictures and waits at ``moment`` to be killed."""
    program = (
        "import dataclasses, sys, time\nfrom pathlib import Path\n"
        "from npz_loader import BOX, FORMAT\nfrom prepared_pictures import make\n"
        "def stay(*_):\n    print('there', flush=True)\n    time.sleep(60)\n"
        "def write(path, count, images):\n    path.write_bytes(b'half')\n    stay()\n"
        "moment, root, out = sys.argv[1:]\n"
        "form = dataclasses.replace(FORMAT, **({'write': write} if moment == 'writing' else {'open': stay}))\n"
        "make(Path(root), dataclasses.replace(BOX, file=form), out=Path(out) if out else None)\n"
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

    monkeypatch.setattr(prepared_writer, "_locked", made_meanwhile)
    assert make(pictures)["cached"] is True


def test_files_of_an_earlier_state_of_the_images_are_named(pictures: Path, tmp_path: Path) -> None:
    first, small = make(pictures), make(pictures, view=View(8))
    change(pictures)
    progress = RecordedProgress()
    for _ in range(2):
        prepare(PreparedSpec(BOX, split_of(pictures), f"folder:{pictures}"), progress, 2)
    assert progress.notes == [
        f"{first['file']} was made from another state of these images: delete it unless you still need it"
    ]
    assert Path(small["file"]).exists()


def test_loaders_of_prepared_files_keep_the_contract_or_are_refused() -> None:
    testing.check_loader(BOX)
    testing.check_loader(GREYISH)
    for harm, said in ((repeating, "read()"), (dropping, "without an error, got KeyError")):
        with pytest.raises(PluginError, match="Expected") as caught:
            testing.check_loader(spoiled(harm))
        assert said in str(caught.value)
    with pytest.raises(PluginError, match="images, file and resized to be one of them"):
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
