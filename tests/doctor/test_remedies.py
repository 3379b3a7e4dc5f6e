"""The advice of every finding is followed, and the check is made again: the finding is gone."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import os
import shlex
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import copies
import numpy as np
import pytest
from deep_images import png16
from PIL import Image
from toys import ToyPlugin

from benchsuite import Catalog, Census, Dataset, Sample, Split, decode, hookimpl, load_plugins
from benchsuite.builtin.datasets.folder import open_folder
from benchsuite.doctor import check as doctor
from benchsuite.doctor import jpeg_warnings
from benchsuite.doctor.check import CheckRequest, checkup
from benchsuite.doctor.kinds import KINDS, Finding
from benchsuite.progress import Progress

COLOURS = ("red", "green", "blue")
Found = dict[str, Finding]
Case = Callable[["Place"], Iterator[Found]]
CASES: dict[str, list[Case]] = {}


def open_listed(path: str | None, split: str) -> Split:
    """The images that ``labels.txt`` names, with a class index each and the classes that reassessed labels accept."""
    root = Path(path or "")
    rows = [line.split() for line in (root / "labels.txt").read_text().splitlines()]
    samples = tuple(
        Sample(name, int(label), str(root / name), "", tuple(map(int, accepted)) if accepted else None)
        for name, label, *accepted in sorted(rows)
    )
    return Split("listed", samples, COLOURS, mirror=True, read=lambda sample: decode(sample.where))


class Sets:
    """Data sets with the numbers or the size of a complete copy, and a network that knows three colours."""

    __name__ = "sets"

    @hookimpl
    def benchsuite_datasets(self) -> list[Dataset]:
        how = {"mirror": True, "note": "-", "source": "-"}
        whole, small = Census("test", 6, 3, 2), Census("test", size=(32, 32))
        return [
            Dataset("six", open_folder, **how, census=(whole,)),  # type: ignore[arg-type]
            Dataset("tiles", open_folder, **how, census=(small,)),  # type: ignore[arg-type]
            Dataset("listed", open_listed, **how),  # type: ignore[arg-type]
        ]

    @hookimpl
    def benchsuite_architectures(self) -> Iterator[Any]:
        import torch

        (toy,) = (a for a in ToyPlugin().benchsuite_architectures() if a.name == "toy")
        known, other = ({"2.weight": w} for w in (torch.eye(3), torch.eye(3)[[1, 2, 0]] * 0))
        first = dataclasses.replace(toy.weights[0], name="colours", classes=3, load=lambda: known)
        second = dataclasses.replace(toy.weights[0], name="nothing", classes=3, load=lambda: other)
        yield dataclasses.replace(toy, name="painter", weights=(first, second))


@functools.cache
def catalog() -> Catalog:
    """All plugins and ``Sets``."""
    return load_plugins(extra=[Sets()])


@dataclasses.dataclass
class Place:
    """A folder for a data set, and the check of it."""

    root: Path
    patch: pytest.MonkeyPatch

    def check(self, name: str = "folder", path: str | Path | None = None, options: str = "", **how: Any) -> Found:
        """The findings by kind. All that fail are gone at the end of a case, unless it is about something else."""
        request = CheckRequest(f"{name}:{path or self.root}{options}", **how)
        return {f.kind: f for f in checkup(request, catalog(), Progress()).findings}

    def fill(self, *classes: str, each: int = 2) -> None:
        """Class folders of pictures of noise."""
        for name in classes:
            for i in range(each):
                self.picture(f"{name}/{Path(name).name}_{i}.png")

    def picture(self, name: str, size: tuple[int, int] = (240, 230), bands: int = 3, kind: Any = np.uint8) -> None:
        """A picture of noise, of its own for each name."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        chance = np.random.default_rng(list(name.encode()))
        pixels = chance.integers(0, np.iinfo(kind).max, (*size, bands), dtype=kind)
        Image.fromarray(pixels if bands > 1 else pixels[..., 0]).save(path, quality=95)

    def painted(self, labels: list[int], colours: list[int], real: list[int] | None = None, **how: Any) -> Found:
        """The check of plain pictures of these colours with these labels."""
        lines = []
        for n, (label, colour) in enumerate(zip(labels, colours, strict=True)):
            pixels = np.full((5, 5, 3), 0, np.uint8)
            pixels[..., colour] = 255 - n
            Image.fromarray(pixels).save(self.root / f"{n:03}.png")
            lines.append(f"{n:03}.png {label} {'' if real is None else real[n]}\n")
        (self.root / "labels.txt").write_text("".join(lines))
        return self.check("listed", **how)

    def judged(self, labels: list[int], colours: list[int], weights: str = "colours", **how: Any) -> Found:
        """``painted`` with the predictions of the network that knows the colours."""
        return self.painted(labels, colours, model="painter", weights=weights, device="cpu", **how)


def case(kind: str) -> Callable[[Case], Case]:
    """A case of a kind: yields the findings before the advice was followed, then those after each way to do it."""

    def add(function: Case) -> Case:
        CASES.setdefault(kind, []).append(function)
        return function

    return add


@pytest.mark.parametrize("kind", [name for name, row in KINDS.items() if row.advice or row.level == "failed"])
def test_the_advice_of_each_finding_makes_it_go_away(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert KINDS[kind].advice, "whatever fails says what to do"
    assert kind in CASES, "each remedy is followed here"
    for number, function in enumerate(CASES[kind]):
        root = tmp_path / str(number)
        root.mkdir()
        before, *after = function(Place(root, monkeypatch))
        assert kind in before, f"{function.__name__}: {[f.text for f in before.values()]}"
        assert after
        for found in after:
            assert kind not in found, function.__name__
            assert not [f.text for f in found.values() if f.level == "failed"], function.__name__


def test_each_case_is_of_a_kind() -> None:
    assert set(CASES) <= set(KINDS)


# opening and folders


@case("not-opened")
@case("nested")
def inner_folders(place: Place) -> Iterator[Found]:
    place.fill("n01440764", "n01443537")
    place.picture("n01440764/images/n01440764_7.png")
    yield place.check()
    (place.root / "n01440764/images/n01440764_7.png").rename(place.root / "n01440764/n01440764_7.png")
    (place.root / "n01440764/images").rmdir()
    yield place.check()


def made_up(found: Found) -> Found:
    """The findings on a made-up copy of ImageNet, without those on its size and on labels that no image has."""
    return {kind: f for kind, f in found.items() if kind not in ("incomplete", "foreign-labels")}


def copy_of_imagenet(layout: str, kind: str) -> Case:
    def copy(place: Place) -> Iterator[Found]:
        copies.LAYOUTS[layout](place.root / "my copy", copies.made_up(4))
        before = place.check(path=place.root / "my copy")
        yield before
        (data,) = shlex.split(before["other-copy"].advice.removeprefix("Give it as --data "))
        name, _, path = data.partition(":")
        found = place.check(name, path)
        assert found["incomplete"].text.startswith("4 images"), "all images of the copy"
        yield made_up(found)

    return case(kind)(copy)


ARCHIVES = {"parquet", "official", "webdataset", "class tar", "kaggle zip"}
for each in copies.LAYOUTS:
    if each != "folders":  # class folders open as any others
        copy_of_imagenet(each, "archive" if each in ARCHIVES else "other-copy")


@case("other-copy")
def folder_that_holds_a_copy(place: Place) -> Iterator[Found]:
    copies.kaggle(place.root / "disk" / "kaggle", copies.made_up(4))
    (place.root / "disk" / "notes").mkdir()
    before = place.check("imagenet", place.root / "disk")
    yield before
    assert before["other-copy"].text == f"it opens as imagenet:{place.root}/disk/kaggle: 4 images of 4 classes"
    yield made_up(place.check("imagenet", place.root / "disk" / "kaggle"))


@case("compressed")
def compressed_tar(place: Place) -> Iterator[Found]:
    file = copies.class_tar(place.root, copies.made_up(4))
    packed = file.with_suffix(".tar.gz")
    packed.write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    yield place.check("imagenet")
    file.write_bytes(gzip.decompress(packed.read_bytes()))
    packed.unlink()
    yield made_up(place.check("imagenet"))


@case("deeper")
def folders_further_down(place: Place) -> Iterator[Found]:
    for name in ("n01440764", "n01443537"):
        place.picture(f"some/where/{name}/x.png")
    before = place.check("folder")
    yield before
    yield place.check(path=place.root / before["deeper"].advice.split()[5].removesuffix(":"))


@case("no-image")
def folder_without_images(place: Place) -> Iterator[Found]:
    (place.root / "empty").mkdir()
    yield place.check(path=place.root / "empty")
    place.fill("a", "b")
    shutil.rmtree(place.root / "empty")
    yield place.check()


@case("other-names")
def odd_folder(place: Place) -> Iterator[Found]:
    place.fill("n01440764", "n01443537", "shark")
    yield place.check("imagenet")
    (place.root / "shark").rename(place.root / "n01484850")
    yield made_up(place.check("imagenet"))


@case("empty-folder")
def empty_folder(place: Place) -> Iterator[Found]:
    place.fill("a", "b")
    (place.root / "c").mkdir()
    yield place.check()
    place.fill("c")
    yield place.check()
    shutil.rmtree(place.root / "c")
    yield place.check()


@case("several-sets")
def two_sets(place: Place) -> Iterator[Found]:
    place.fill("one/a", "one/b", "two/a", "two/b")
    before = place.check()
    yield before
    for name in before["several-sets"].examples:
        yield place.check(path=place.root / name)


@case("misplaced")
def file_of_another_class(place: Place) -> Iterator[Found]:
    place.fill("n01440764", "n01443537")
    place.picture("n01440764/n01443537_9.png")
    yield place.check()
    (place.root / "n01440764/n01443537_9.png").rename(place.root / "n01443537/n01443537_9.png")
    yield place.check()


# counts


@case("one-class")
def single_class(place: Place) -> Iterator[Found]:
    place.fill("a")
    yield place.check()
    place.fill("b")
    yield place.check()


@case("uneven")
def one_moved(place: Place) -> Iterator[Found]:
    place.fill("a", "b", "c")
    (place.root / "a/a_0.png").rename(place.root / "b/a_0.png")
    yield place.check("six")
    (place.root / "b/a_0.png").rename(place.root / "a/a_0.png")
    yield place.check("six")


@case("surplus")
def one_more(place: Place) -> Iterator[Found]:
    place.fill("a", "b", "c")
    place.picture("a/x.png")
    yield place.check("six")
    yield place.check("folder")  # the right one
    (place.root / "a/x.png").unlink()
    yield place.check("six")


@case("incomplete")
def one_less(place: Place) -> Iterator[Found]:
    place.fill("a", "b", "c")
    (place.root / "a/a_0.png").unlink()
    yield place.check("six")
    place.fill("a")
    yield place.check("six")


# images


@case("some-decoded")
def not_decoded(place: Place) -> Iterator[Found]:
    place.fill("a", "b")
    place.patch.setattr(doctor, "DECODED", 1)
    yield place.check()
    yield place.check(full=True)


@case("unreadable")
def cut_short(place: Place) -> Iterator[Found]:
    place.fill("a", "b")
    file = place.root / "a/a_0.png"
    file.write_bytes(file.read_bytes()[:-3000])
    yield place.check()
    place.fill("a")
    yield place.check()


@case("unreadable")
def sixteen_bits(place: Place) -> Iterator[Found]:
    place.fill("a", "b")
    place.picture("a/a_0.png", bands=1, kind=np.uint16)
    before = place.check()
    yield before
    assert ",depth=scale" in before["unreadable"].examples[0]
    yield place.check(options=",depth=scale")
    place.fill("a")
    yield place.check()


@case("no-image-files")
def no_image(place: Place) -> Iterator[Found]:
    place.fill("a", "b")
    (place.root / "a/a_0.png").write_bytes(b"")
    yield place.check()
    place.fill("a")
    yield place.check()


@case("warnings-unknown")
def without_the_library(place: Place) -> Iterator[Found]:
    for name in ("a/0.jpg", "b/1.jpg"):
        place.picture(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "simplejpeg", None)
        before = place.check(full=True)
        yield before
    if not jpeg_warnings.available():
        pytest.skip("pip install 'benchsuite[jpeg]'")
    yield place.check(full=True)


@case("warned")
def overwritten(place: Place) -> Iterator[Found]:
    if not jpeg_warnings.available():
        pytest.skip("pip install 'benchsuite[jpeg]'")
    for name in ("a/0.jpg", "b/1.jpg"):
        place.picture(name)
    file = place.root / "a/0.jpg"
    sound = file.read_bytes()
    file.write_bytes(sound[:20_000] + bytes(range(40)) + sound[20_040:])
    yield place.check(full=True)
    file.write_bytes(sound)
    yield place.check(full=True)


@case("archive-differs")
def archive_of_ones_own(place: Place) -> Iterator[Found]:
    copies.official(place.root, copies.made_up(4))
    file = place.root / "ILSVRC2012_img_val.tar"
    yield place.check("imagenet", file, full=True)
    yield made_up(place.check("imagenet", file.rename(place.root / "mine.tar"), full=True))


# since the last check


def rewritten(file: Path, content: bytes) -> None:
    """Writes a file of the same size and keeps its modification time."""
    before = file.stat()
    assert len(content) == before.st_size
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def bmp(place: Place) -> Path:
    """A set with an image that can be changed without its size."""
    place.fill("a", "b")
    place.picture("a/x.bmp")
    return place.root / "a/x.bmp"


@case("rotten")
def damaged_and_replaced(place: Place) -> Iterator[Found]:
    file = bmp(place)
    place.check(full=True)
    sound = file.read_bytes()
    rewritten(file, sound[:-9] + bytes(9))
    yield place.check(full=True)
    assert "rotten" in place.check(full=True), "it is not forgotten"
    rewritten(file, sound)
    yield place.check(full=True)


@case("rotten")
def changed_on_purpose(place: Place) -> Iterator[Found]:
    file = bmp(place)
    place.check(full=True)
    rewritten(file, file.read_bytes()[:-9] + bytes(9))
    yield place.check(full=True)
    file.touch()
    found = place.check(full=True)
    assert "changed" in found
    yield found
    yield place.check(full=True)


@case("perhaps-changed")
def other_inode(place: Place) -> Iterator[Found]:
    file = bmp(place)
    place.check(full=True)
    shutil.copy2(file, place.root / "copy")
    (place.root / "copy").replace(file)
    before = place.check()
    assert before["perhaps-changed"].examples == ("a/x.bmp",)
    yield before
    assert "perhaps-changed" in place.check(), "it is not forgotten"
    yield place.check(full=True)
    yield place.check()


@case("touched")
def other_mode(place: Place) -> Iterator[Found]:
    file = bmp(place)
    place.check()
    file.chmod(0o600)
    yield place.check()
    yield place.check(full=True)
    yield place.check()


# sizes, formats, colours


@case("other-size")
def enlarged(place: Place) -> Iterator[Found]:
    for name in ("a/0.png", "b/1.png"):
        place.picture(name, (32, 32))
    place.picture("b/2.png", (64, 64))
    yield place.check("tiles")
    place.picture("b/2.png", (32, 32))
    yield place.check("tiles")


@case("stored-as-jpeg")
def jpegs(place: Place) -> Iterator[Found]:
    for name in ("a/0", "b/1"):
        place.picture(f"{name}.jpg", (32, 32))
    yield place.check("tiles")
    for name in ("a/0", "b/1"):
        place.picture(f"{name}.png", (32, 32))
        (place.root / f"{name}.jpg").unlink()
    yield place.check("tiles")


@case("deep-cut")
def deep_colours(place: Place) -> Iterator[Found]:
    place.fill("a", "b")
    values = np.random.default_rng(0).integers(0, 65536, (230, 230, 3))
    (place.root / "a/deep.png").write_bytes(png16(values))
    yield place.check()
    yield place.check(options=",depth=scale")


@case("alpha-dropped")
def alpha(place: Place) -> Iterator[Found]:
    place.fill("a", "b")
    place.picture("a/clear.png", bands=4)
    yield place.check()
    for ground in ("white", "black"):
        yield place.check(options=f",alpha={ground}")


@case("duplicates")
def copied(place: Place) -> Iterator[Found]:
    place.fill("a", "b")
    shutil.copy(place.root / "a/a_0.png", place.root / "b/copy.png")
    yield place.check()
    (place.root / "b/copy.png").unlink()
    yield place.check()


# labels and the order of classes

TRUE = [0] * 20 + [1] * 20 + [2] * 20


@case("foreign-labels")
def labels_of_others(place: Place) -> Iterator[Found]:
    yield place.painted([(c + 1) % 3 for c in TRUE], TRUE, real=TRUE)
    yield place.painted(TRUE, TRUE, real=TRUE)


@case("swapped-labels")
def two_swapped(place: Place) -> Iterator[Found]:
    true = [0] * 10 + [1] * 10 + [2] * 40
    yield place.painted([(1, 0, 2)[c] for c in true], true, real=true)
    yield place.painted(true, true, real=true)


@case("not-synset-order")
def reversed_synsets(place: Place) -> Iterator[Found]:
    names = ["n01440764/x.png", "n01443537/y.png", "n01484850/z.png"]
    for name in names:
        place.picture(name)
    for labels in ((2, 1, 0), (0, 1, 2)):
        (place.root / "labels.txt").write_text("".join(f"{n} {i}\n" for n, i in zip(names, labels, strict=True)))
        yield place.check("listed")


@case("not-number-order")
def numbers_as_text(place: Place) -> Iterator[Found]:
    place.fill("2", "10")
    yield place.check()
    (place.root / "2").rename(place.root / "02")
    yield place.check()


@case("no-network")
def nobody_asked(place: Place) -> Iterator[Found]:
    yield place.painted(TRUE, TRUE)
    yield place.judged(TRUE, TRUE)


@case("usual-mistake")
def counted_from_one(place: Place) -> Iterator[Found]:
    yield place.judged([(c + 1) % 3 for c in TRUE], TRUE)
    yield place.judged(TRUE, TRUE)


@case("permuted")
def in_another_order(place: Place) -> Iterator[Found]:
    yield place.judged([(1, 0, 2)[c] for c in TRUE], TRUE)
    yield place.judged(TRUE, TRUE)


@case("chance")
def mixed_up(place: Place) -> Iterator[Found]:
    yield place.judged([n % 3 for n in range(60)], TRUE)
    yield place.judged(TRUE, TRUE)


@case("chance")
def wrong_weights(place: Place) -> Iterator[Found]:
    yield place.judged(TRUE, TRUE, weights="nothing")
    yield place.judged(TRUE, TRUE, weights="colours")


@case("swapped-classes")
def two_classes_swapped(place: Place) -> Iterator[Found]:
    true = [0] * 5 + [1] * 5 + [2] * 50
    yield place.judged([(1, 0, 2)[c] for c in true], true)
    yield place.judged(true, true)


@case("partly-permuted")
def some_labels_mixed_up(place: Place) -> Iterator[Found]:
    colours = [1] * 30 + ([0, 2, 0, 2, 1] * 4) + [2] * 120
    labels = [0] * 30 + [1] * 20 + [2] * 120
    yield place.judged(labels, colours)
    yield place.judged(colours, colours)


@case("few-of-a-class")
def too_few_shown(place: Place) -> Iterator[Found]:
    yield place.judged(TRUE, TRUE, shown=9)
    yield place.judged(TRUE, TRUE, shown=30)
