"""Tests of reading prepared files: the same pixels and counts; an error names whatever has changed."""

from __future__ import annotations

import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from npz_loader import BOX, FORMAT, GREYISH
from PIL import Image
from prepared_pictures import CATALOG, FULL, change, make, pixels_of, split_of, use
from recorded_progress import RecordedProgress
from toys import TOP1_ERRORS

from benchsuite import DataError, Loader, View
from benchsuite.data.prepared_note import PreparedSpec, checksum
from benchsuite.data.prepared_reader import open_prepared
from benchsuite.data.prepared_writer import prepare
from benchsuite.data.resize import resize
from benchsuite.evaluation.question import RunRequest
from benchsuite.progress import Progress
from benchsuite.runs.run import run
from benchsuite.specs.view import resized_shape


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
    (_, split), results = CATALOG.open_dataset("toy"), {}
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
    _, split = CATALOG.open_dataset("toy")
    prepare(PreparedSpec(GREYISH, split, "toy"), Progress(), 0)
    progress = RecordedProgress()
    rows = []
    for name in ("torch", "box:greyish"):
        request = RunRequest(("toy",), ("1crop",), "toy", loader=name, device="cpu", results=tmp_path)
        rows += run(request, CATALOG, progress)
    assert rows[0]["run_id"] != rows[1]["run_id"]
    assert [note for note in progress.notes if "box:greyish" in note and "not" in note]
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
    with pytest.raises(DataError, match=f"as they are now, got {said}.*make it .*benchsuite data prepare folder:"):
        use(pictures)
    make(pictures)
    use(pictures)


@pytest.mark.parametrize("damage", [change, touch])
@pytest.mark.parametrize("view", [None, View(8), View(9, interpolation="bicubic")])
def test_the_command_that_is_named_makes_the_file_that_was_refused(
    pictures: Path, view: View | None, damage: Callable[[Path], str]
) -> None:
    """A command for a full-size file would leave the refused file on disk, where it would be refused again."""
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
    with pytest.raises(DataError, match=r"cat/1.png, whose label has changed since"):
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
    [
        (Path.unlink, "no such file"),
        (shorten, "a file of another size or time"),
        (lambda f: os.utime(f, ns=(1, 1)), "a file of another size or time"),
    ],
)
def test_a_file_that_changed_is_refused_before_and_during_a_run(
    pictures: Path, damage: Callable[[Path], None], said: str
) -> None:
    file = Path(make(pictures)["file"])
    loader, split = use(pictures), split_of(pictures)
    damage(file)
    for attempt in (lambda: use(pictures), lambda: pixels_of(loader, split, split.samples)):
        with pytest.raises(DataError, match=f"unchanged since it was checked, got {said} .*{file.name}"):
            attempt()
    assert make(pictures)["cached"] is False
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
    with pytest.raises(
        DataError, match=r"prepared at full size, .* got a file of short side 8, bicubic .*--loader box\)"
    ):
        use(pictures, view, other)
    make(pictures)
    split = split_of(pictures)
    whole, small = (pixels_of(use(pictures, *views), split, split.samples) for views in ((view, other), (view,)))
    assert [p.shape for p in whole] == [np.asarray(split.read(s)).shape for s in split.samples]
    assert all(min(p.shape[:2]) == 8 for p in small)
    unknown = open_prepared(BOX, split, split.samples, (), "folder")
    assert [p.shape for p in pixels_of(unknown, split, split.samples)] == [p.shape for p in whole]


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
    with pytest.raises(DataError, match=f"with the pixels that were checked, got other pixels for {bad} .*--fresh"):
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


def test_of_a_format_that_streams_rows_are_asked_for_as_images_are_taken(
    pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(pictures)
    split = split_of(pictures)
    streaming = dataclasses.replace(BOX, file=dataclasses.replace(FORMAT, streams=True))
    loader = open_prepared(streaming, split, split.samples, (), f"imagenet:{pictures}")
    assert loader.streams
    assert not use(pictures).streams
    monkeypatch.setattr("benchsuite.data.prepared_reader.CHECKED", 2)
    taken: list[str] = []

    def asked() -> Iterator[Any]:
        for sample in split.samples:
            taken.append(sample.id)
            yield sample

    assert loader.images is not None
    for i, found in enumerate(loader.images(split, asked(), lambda pixels, _: pixels, 0)):
        np.testing.assert_array_equal(found, np.asarray(split.read(split.samples[i])))
        assert len(taken) == min(len(split.samples), i // 2 * 2 + 2)
    wrong = iter([*(checksum(np.asarray(split.read(s))) for s in split.samples[:5]), 0])
    monkeypatch.setattr("benchsuite.data.prepared_reader.checksum", lambda pixels: next(wrong))
    with pytest.raises(DataError, match=f"got other pixels for {re.escape(split.samples[5].id)} "):
        list(loader.images(split, asked(), lambda pixels, _: pixels, 0))
