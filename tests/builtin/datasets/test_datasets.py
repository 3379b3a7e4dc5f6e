"""Tests of the built-in datasets: images with the right labels, and one-line errors for bad folders."""

import codecs
import gzip
import hashlib
import pickle
import re
import struct
import subprocess
import sys
import tarfile
import types
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchsuite import DataError, cache_dir, load_plugins
from benchsuite.builtin.datasets import _synsets, cifar, digits, folder, imagenet, mnist

TENCH, GOLDFISH, SHARK, TOILET_PAPER = "n01440764", "n01443537", "n01484850", "n15075141"


def write(path, colour=(10, 20, 30), size=(6, 5)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def fails(opened, path, pattern, split="test"):
    with pytest.raises(DataError, match=pattern) as caught:
        opened(None if path is None else str(path), split)
    assert "\n" not in str(caught.value)


def labels(split):
    return {s.id: s.label for s in split.samples}


def pixels(split, name):
    return np.asarray(split.read(next(s for s in split.samples if s.id == name)))


# digits


def test_digits_are_scikit_learns_scaled_to_bytes():
    from sklearn.datasets import load_digits

    given = load_digits()
    test, train = digits.open_digits(None, "test"), digits.open_digits(None, "train")
    assert (len(test.samples), len(train.samples)) == (360, 1437)
    assert {int(s.id[6:]) % 5 for s in test.samples} == {0}
    for sample, split in [(s, x) for x in (test, train) for s in x.samples]:
        i = int(sample.id.removeprefix("digit-"))
        assert sample.label == given.target[i]
        assert sample.where == f"row {i} of digits"
        grey = np.floor(given.images[i] * 255 / 16 + 0.5).astype(np.uint8)
        np.testing.assert_array_equal(split.read(sample), np.dstack([grey] * 3))
    assert {s.id for s in test.samples} | {s.id for s in train.samples} == {f"digit-{i:04d}" for i in range(1797)}
    assert not test.mirror


def test_digits_stamps_are_the_same_on_every_machine():
    split = digits.open_digits(None, "test")
    sample = split.samples[7]
    grey = split.read(sample)[:, :, 0]
    assert sample.stamp == hashlib.sha256(grey.tobytes()).hexdigest()[:16]


def test_digits_without_the_data_file_come_from_load_digits(monkeypatch):
    usual = digits.open_digits(None, "test")
    monkeypatch.setattr(
        digits.importlib.util, "find_spec", lambda _: types.SimpleNamespace(submodule_search_locations=[])
    )
    assert digits.open_digits(None, "test").samples == usual.samples
    monkeypatch.setattr(digits.importlib.util, "find_spec", lambda _: None)
    fails(digits.open_digits, None, "installed with scikit-learn")


def test_digits_take_no_path():
    fails(digits.open_digits, "/data/digits", "Expected digits to be written without a path, got /data/digits")


def test_opening_digits_and_imagenet_imports_neither_sklearn_nor_timm_nor_torch(tmp_path):
    write(tmp_path / TENCH / "a.jpg")
    code = (
        "import sys; from benchsuite.builtin.datasets import digits, imagenet; digits.open_digits(None, 'test');"
        f"imagenet.open_imagenet({str(tmp_path)!r}, 'test');"
        "print(*sorted({'sklearn', 'scipy', 'timm', 'torch', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_declaring_the_datasets_imports_no_numpy():
    code = (
        "import sys\n"
        "from benchsuite.builtin.datasets import cifar, digits, folder, imagenet, imagenet_shifts, mnist, svhn\n"
        "from benchsuite.builtin.loaders import ffcv, torch\n"
        "print(*sorted({'numpy', 'PIL', 'sklearn', 'timm', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


# imagenet


def test_a_sample_of_imagenet_keeps_the_indices_of_the_whole(imagenet500):
    split = imagenet.open_imagenet(str(imagenet500), "test")
    assert [s.label for s in split.samples] == list(range(0, 1000, 2))
    assert all(int(s.id.partition("_")[2]) == s.label for s in split.samples)
    assert all(s.stamp.partition("@")[0] == str(Path(s.where).stat().st_size) for s in split.samples)
    assert len(set(split.classes)) == 1000
    assert split.classes[0].startswith("tench")
    assert imagenet.open_imagenet(str(imagenet500 / "val"), "test").samples == split.samples


def test_class_indices_are_those_of_timm():
    from timm.data import ImageNetInfo

    info = ImageNetInfo("imagenet-1k")
    assert list(_synsets.wnids()) == info.label_names()
    assert _synsets.wnids().index(TOILET_PAPER) == 999
    for wnid, name in zip(_synsets.wnids(), _synsets.names(_synsets.wnids()), strict=True):
        assert name.removesuffix(f" ({wnid})") == info.label_name_to_description(wnid, detailed=False)


def test_class_names_that_two_classes_share_carry_their_ids():
    shared = [name for name in _synsets.names(_synsets.wnids()) if re.search(r"\(n\d{8}\)", name)]
    assert len({name.partition(" (n")[0] for name in shared}) == len(shared) // 2 > 0


def flat(folder):
    for name in ("b.JPEG", "a.JPEG", "c.png"):
        write(folder / name)
    return {"a": 999, "b": 0, "c": 2}


FLAT = {
    "val.txt": f"a.JPEG {TOILET_PAPER}\nb.JPEG {TENCH}\nc.png {SHARK}\n",
    "labels.txt": "val/a.JPEG 999\nval/b.JPEG 0\n\nval/c.png 2\nval/absent.JPEG 7\n",
    "imagenet_synset_labels.txt": f"{TOILET_PAPER}\n{TENCH}\n{SHARK}\n",
    "synset_labels.txt": f"{TOILET_PAPER}\r\n{TENCH}\r\n{SHARK}\r\n",
    "LOC_val_solution.csv": "ImageId,PredictionString\n"
    f"b,{TENCH} 1 2 3 4 {TENCH} 5 6 7 8\na,{TOILET_PAPER} 1 1 2 2\nc,{SHARK} 0 0 1 1\n",
    "ILSVRC2012_val_labels.tsv": f"a.JPEG\t{TOILET_PAPER}\nb.JPEG\t0\nc.png\t{SHARK}\n",
}


@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("name", FLAT)
def test_flat_folders_are_labelled_by_every_known_kind_of_file(tmp_path, name, beside):
    expected = flat(tmp_path / "val")
    (tmp_path / ("." if beside else "val") / name).write_text(FLAT[name], newline="")
    assert labels(imagenet.open_imagenet(str(tmp_path), "test")) == expected


def test_flat_and_foldered_layouts_give_the_same_ids_and_labels(tmp_path, imagenet500):
    foldered = imagenet.open_imagenet(str(imagenet500), "test")
    (tmp_path / "val").mkdir()
    for sample in foldered.samples:
        (tmp_path / "val" / Path(sample.where).name).symlink_to(sample.where)
    lines = [f"{Path(s.where).name} {Path(s.where).parent.name}" for s in reversed(foldered.samples)]
    (tmp_path / "val.txt").write_text("\n".join(lines))
    found = imagenet.open_imagenet(str(tmp_path), "test")
    assert [(s.id, s.label, s.stamp) for s in found.samples] == [(s.id, s.label, s.stamp) for s in foldered.samples]


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ("a 1\nb 2\n", r"got no label for c \(.*val.txt\)"),
        (f"{TENCH}\n{TENCH}\n", r"one for each of 3 images, got 2 \(.*val.txt\)"),
        ("a 1\nb 1000\nc 3\n", r"index from 0 to 999, got 1000 \(.*val.txt, label 2\)"),
        ("a 1\nb -1\nc 3\n", r"got -1 \(.*val.txt, label 2\)"),
        ("a 1\nb n00000000\nc 3\n", r"got n00000000 \(.*val.txt, label 2\)"),
        ("a 5\nb 2\nc 3\na 4\n", r"labelled once, got a twice \(.*val.txt, label 4\)"),
        ("tench\ngoldfish\nshark\n", r"got tench \(.*val.txt, label 1\)"),
        ("1\n2\n3\n", r"got bare numbers: the development kit .*val.txt"),
        ("a 1\nb,\nc 3\n", r"FILE WNID or FILE INDEX, got b, \(.*label 2\)"),
        ("", r"got no label for a"),
        (b"\xff\xfe\x00", r"a readable text"),
    ],
)
def test_labels_that_do_not_fit_are_refused_by_line(tmp_path, content, pattern):
    flat(tmp_path / "val")
    (tmp_path / "val.txt").write_bytes(content if isinstance(content, bytes) else content.encode())
    fails(imagenet.open_imagenet, tmp_path, pattern)


def test_the_development_kits_own_numbers_are_refused(tmp_path):
    flat(tmp_path / "val")
    (tmp_path / "ILSVRC2012_validation_ground_truth.txt").write_text("490\n361\n171\n")
    fails(
        imagenet.open_imagenet,
        tmp_path,
        "in an order of its own, not by class index .*ILSVRC2012_validation_ground_truth.txt",
    )


def test_a_flat_folder_without_labels_says_which_files_are_looked_for(tmp_path):
    flat(tmp_path)
    fails(imagenet.open_imagenet, tmp_path, "val.txt, labels.txt, .*FILE WNID or FILE INDEX .* got none")


def test_training_images_lie_in_train(tmp_path):
    write(tmp_path / "val" / TENCH / "a.jpg")
    fails(imagenet.open_imagenet, tmp_path, "a folder that holds train, got none", "train")
    write(tmp_path / "train" / TOILET_PAPER / "b.jpg")
    assert labels(imagenet.open_imagenet(str(tmp_path), "train")) == {"b": 999}
    assert labels(imagenet.open_imagenet(str(tmp_path), "test")) == {"a": 0}


def test_imagenet_with_training_images_alone_says_that_val_is_missing(tmp_path):
    write(tmp_path / "train" / TENCH / "a.jpg")
    fails(imagenet.open_imagenet, tmp_path, "a folder that holds val, got none")


@pytest.mark.parametrize(("name", "kind"), [("dogs", "not a WordNet id"), ("n99999999", "not one of the 1000 classes")])
def test_folders_that_are_no_class_are_named_and_folder_is_suggested(tmp_path, name, kind):
    write(tmp_path / TENCH / "a.jpg")
    write(tmp_path / name / "b.jpg")
    fails(imagenet.open_imagenet, tmp_path, rf"got {name}, which is {kind} \(.*folder:{re.escape(str(tmp_path))}\)")


def test_class_folders_that_lie_deeper_are_not_taken_for_those_of_another_data_set(tmp_path):
    """``folder:PATH`` could not open them either."""
    write(tmp_path / "ILSVRC" / "val" / TENCH / "a.jpg")
    fails(
        imagenet.open_imagenet,
        tmp_path,
        r"got ILSVRC, which is not a WordNet id \(.*; ILSVRC itself holds folders: PATH has to be",
    )
    with pytest.raises(DataError) as refused:
        imagenet.open_imagenet(str(tmp_path), "test")
    assert "folder:" not in str(refused.value)


def test_two_images_of_one_name_and_class_are_both_named(tmp_path):
    write(tmp_path / TENCH / "a.jpg")
    write(tmp_path / TENCH / "a.png")
    fails(imagenet.open_imagenet, tmp_path, rf"got a twice \(.*{TENCH}/a.jpg and .*{TENCH}/a.png\)")


def test_images_of_one_name_in_several_classes_have_ids_with_their_class(tmp_path):
    for name in (TENCH, GOLDFISH):
        write(tmp_path / name / "a.jpg")
    write(tmp_path / TENCH / "b.jpg")
    found = imagenet.open_imagenet(str(tmp_path), "test").samples
    assert {s.id: s.label for s in found} == {f"{TENCH}/a": 0, f"{TENCH}/b": 0, f"{GOLDFISH}/a": 1}
    with tarfile.open(tmp_path / "copy.tar", "w") as tar:
        for name in (TENCH, GOLDFISH):
            tar.add(tmp_path / name, name)
    again = imagenet.open_imagenet(str(tmp_path / "copy.tar"), "test").samples
    assert [(s.id, s.label, s.content) for s in again] == [(s.id, s.label, s.content) for s in found]


# what every dataset of image files has in common


@pytest.fixture(params=["imagenet", "folder", "cifar10"])
def tree(request, tmp_path):
    """A function that opens a small dataset, and its class folder: two images for each class."""
    names = {"imagenet": (TENCH, SHARK), "folder": ("cat", "dog"), "cifar10": cifar.CLASSES}[request.param]
    root = tmp_path / "test" if request.param == "cifar10" else tmp_path
    for name in names:
        write(root / name / f"{name}_1.png")
        write(root / name / f"{name}_2.PNG", (200, 0, 0))
    opened = {"imagenet": imagenet.open_imagenet, "folder": folder.open_folder, "cifar10": cifar.open_cifar10}
    return opened[request.param], tmp_path, root / names[1]


def test_samples_come_sorted_with_path_stamp_and_pixels(tree):
    opened, root, second = tree
    split = opened(str(root), "test")
    ids = [s.id for s in split.samples]
    assert ids == sorted(set(ids))
    sample = next(s for s in split.samples if s.where == str(second / f"{second.name}_2.PNG"))
    status = Path(sample.where).stat()
    assert sample.stamp == f"{status.st_size}@{status.st_mtime_ns}"
    np.testing.assert_array_equal(np.asarray(split.read(sample)), np.full((5, 6, 3), (200, 0, 0)))
    assert split.mirror


def test_what_is_no_image_by_its_suffix_is_ignored(tree):
    opened, root, second = tree
    before = opened(str(root), "test").samples
    for name in ("Thumbs.db", "notes.txt", ".hidden.jpg", ".DS_Store"):
        (second / name).write_bytes(b"x")
    (second / ".cache").mkdir()
    (second.parent / ".ipynb_checkpoints").mkdir()
    (second.parent / "readme.txt").write_text("x")
    assert opened(str(root), "test").samples == before


def test_an_empty_class_is_named(tree):
    opened, root, second = tree
    for file in second.iterdir():
        file.unlink()
    fails(opened, root, rf"a folder with images, got none .*\({re.escape(str(second))}\)")


def test_an_image_beside_the_classes_is_named(tree):
    opened, root, second = tree
    write(second.parent / "stray.jpg")
    fails(opened, root, rf"got the image stray.jpg next to them \({re.escape(str(second.parent))}\)")


def test_a_folder_inside_a_class_is_named(tree):
    opened, root, second = tree
    write(second / "x.jpg" / "y.jpg")
    fails(opened, root, rf"got the folder x.jpg in it \({re.escape(str(second))}\)")


@pytest.mark.parametrize(("content", "words"), [(b"", "an empty file"), (b"text", "begins with b'text'")])
def test_broken_images_are_named_before_anything_runs(tree, content, words):
    opened, root, second = tree
    (second / "broken.jpg").write_bytes(content)
    fails(opened, root, rf"{words} \({re.escape(str(second))}/broken.jpg\)")


def test_a_link_to_nothing_is_named(tree):
    opened, root, second = tree
    (second / "gone.jpg").symlink_to(second / "nowhere.jpg")
    fails(opened, root, r"got No such file or directory \(.*gone.jpg\)")


def test_a_name_that_is_no_text_is_refused(tree):
    opened, root, second = tree
    try:
        (second / "\udcff.jpg").write_bytes(b"x")
    except OSError:
        pytest.skip("this file system refuses such names")
    fails(opened, root, r"Expected each name to be UTF-8, got '\\udcff.jpg'")


@pytest.mark.parametrize("opened", [imagenet.open_imagenet, folder.open_folder])
def test_a_path_is_required(opened):
    fails(opened, None, "to be a folder, got no path .*PATH holds")


@pytest.mark.parametrize(
    "opened", [imagenet.open_imagenet, folder.open_folder, cifar.open_cifar10, mnist.open_fashion_mnist]
)
def test_a_path_that_is_no_folder_says_what_belongs_there(opened, tmp_path):
    fails(opened, tmp_path / "gone", r"to be a folder, got a path that does not exist \(.*gone: .*PATH")
    (tmp_path / "file").touch()
    fails(opened, tmp_path / "file", r"to be a folder, got a file \(.*file: .*PATH")
    (tmp_path / "empty").mkdir()
    fails(opened, tmp_path / "empty", re.escape(str(tmp_path / "empty")))


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "pets" / "cat" / "a.jpg")
    assert labels(folder.open_folder("~/pets", "test")) == {"cat/a.jpg": 0}


# folder


def test_folder_classes_are_ranked_by_name_and_ids_keep_the_suffix(tmp_path):
    for name in ("b/x.jpg", "b/x.png", "B/x.jpg", "a b/x.jpg"):
        write(tmp_path / name)
    split = folder.open_folder(str(tmp_path), "test")
    assert split.classes == ("B", "a b", "b")
    assert labels(split) == {"B/x.jpg": 0, "a b/x.jpg": 1, "b/x.jpg": 2, "b/x.png": 2}
    assert split.name == f"folder:{tmp_path.name}"


@pytest.mark.parametrize("part", ["test", "val"])
def test_folder_takes_the_split_that_is_asked(tmp_path, part):
    write(tmp_path / part / "cat" / "a.jpg")
    write(tmp_path / "train" / "cat" / "b.jpg")
    assert labels(folder.open_folder(str(tmp_path), "test")) == {"cat/a.jpg": 0}
    assert labels(folder.open_folder(str(tmp_path), "train")) == {"cat/b.jpg": 0}


def test_folder_splits_of_other_classes_are_refused(tmp_path):
    write(tmp_path / "test" / "dog" / "a.jpg")
    write(tmp_path / "train" / "cat" / "b.jpg")
    write(tmp_path / "train" / "dog" / "b.jpg")
    fails(folder.open_folder, tmp_path, "the same in test and train, got cat in one only")


def test_folder_never_trains_on_the_test_images(tmp_path):
    write(tmp_path / "cat" / "a.jpg")
    fails(
        folder.open_folder, tmp_path, "Expected the train split to be in train/CLASS, got only CLASS folders", "train"
    )


def test_folder_never_tests_on_the_training_images(tmp_path):
    write(tmp_path / "train" / "cat" / "a.jpg")
    fails(folder.open_folder, tmp_path, "in test/CLASS or val/CLASS, got only train")


def test_a_class_may_be_called_test(tmp_path):
    write(tmp_path / "test" / "a.jpg")
    write(tmp_path / "other" / "a.jpg")
    assert folder.open_folder(str(tmp_path), "test").classes == ("other", "test")


def test_folder_agrees_with_torchvisions(cifar10_jpeg):
    from torchvision.datasets import ImageFolder

    theirs = ImageFolder(cifar10_jpeg / "test")
    ours = folder.open_folder(str(cifar10_jpeg), "test")
    assert [(s.where, s.label) for s in ours.samples] == theirs.samples
    assert list(ours.classes) == theirs.classes


# cifar10


def planes(n, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (n, 3072), dtype=np.uint8)


def python2_pickle(data, names):
    """The bytes that Python 2's cPickle writes: protocol 2, texts as byte strings, numpy under its old module name."""
    text = lambda word: b"U" + bytes([len(word)]) + word  # noqa: E731
    array = b"cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85" + text(b"b") + b"\x87Rq\x04("
    array += b"K\x01M" + struct.pack("<H", len(data)) + b"M" + struct.pack("<H", data.shape[1]) + b"\x86"
    array += b"cnumpy\ndtype\nq\x05" + text(b"u1") + b"K\x00K\x01\x87Rq\x06(K\x03" + text(b"|")
    array += (
        b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T" + struct.pack("<I", data.size) + data.tobytes() + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([label]) for label in names) + b"e"
    head = b"\x80\x02}q\x01(" + text(b"batch_label") + text(b"testing batch 1 of 1")
    return head + text(b"data") + array + text(b"labels") + numbers + b"u."


def write_batch(path, data, names, protocol=None, key=str):
    path.parent.mkdir(parents=True, exist_ok=True)
    if protocol is None:
        path.write_bytes(python2_pickle(data, names))
    else:
        path.write_bytes(pickle.dumps({key("data"): data, key("labels"): list(names)}, protocol=protocol))


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-py"])
@pytest.mark.parametrize("protocol", [None, *range(pickle.HIGHEST_PROTOCOL + 1)])
def test_cifar_pickles_of_every_protocol_are_read(tmp_path, protocol, inner):
    data, names = planes(11), [3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5]
    write_batch(tmp_path / inner / "test_batch", data, names, protocol)
    split = cifar.open_cifar10(str(tmp_path), "test")
    assert labels(split) == {f"test-{i:05d}": label for i, label in enumerate(names)}
    for i, row in enumerate(data):
        image = np.dstack([row[:1024].reshape(32, 32), row[1024:2048].reshape(32, 32), row[2048:].reshape(32, 32)])
        np.testing.assert_array_equal(pixels(split, f"test-{i:05d}"), image)
        stamp = split.samples[i].stamp.split("@")
        assert stamp[0] == hashlib.sha256(row.tobytes()).hexdigest()[:16]
        assert int(stamp[1]) == (tmp_path / inner / "test_batch").stat().st_size
    assert split.samples[7].where == f"row 7 of {tmp_path / inner / 'test_batch'}"
    assert split.name == "cifar10"


def test_cifar_keys_may_be_bytes(tmp_path):
    write_batch(tmp_path / "test_batch", planes(2), [0, 1], 4, key=str.encode)
    assert len(cifar.open_cifar10(str(tmp_path), "test").samples) == 2


def test_cifar_training_rows_run_through_the_five_batches(tmp_path):
    for i in range(1, 6):
        write_batch(tmp_path / f"data_batch_{i}", planes(2, seed=i), [i, i - 1])
    split = cifar.open_cifar10(str(tmp_path), "train")
    assert [s.label for s in split.samples] == [1, 0, 2, 1, 3, 2, 4, 3, 5, 4]
    assert split.samples[5].id == "train-00005"
    assert split.samples[5].where == f"row 1 of {tmp_path / 'data_batch_3'}"
    np.testing.assert_array_equal(pixels(split, "train-00005")[0, 0], planes(2, seed=3)[1, [0, 1024, 2048]])
    (tmp_path / "data_batch_4").unlink()
    fails(cifar.open_cifar10, tmp_path, "data_batch_4", "train")
    fails(cifar.open_cifar10, tmp_path, "test_batch", "test")


class Attack:
    """An object whose pickle is a function call."""

    def __init__(self, call, *arguments):
        self.call = call, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("attack", "name"),
    [
        (lambda mark: Attack(Path.touch, mark), "touch|getattr|Path"),
        (lambda mark: Attack(eval, f"open({str(mark)!r}, 'w')"), r"builtin\w*\.eval"),
        (lambda mark: Attack(getattr, mark, "touch"), "getattr"),
        (lambda mark: Attack(codecs.decode, b"636c", "hex"), "_codecs.decode"),
        (lambda mark: Attack(codecs.encode, "a", "rot13"), "rot13"),
        (lambda mark: Attack(np.dtype, "O"), "array of type 'O'"),
        (lambda mark: Attack(np.fromfile, str(mark)), "fromfile"),
    ],
)
def test_a_pickle_that_would_call_something_is_refused(tmp_path, attack, name, protocol):
    mark = tmp_path / "mark"
    content = {"data": planes(1), "labels": [attack(mark)]}
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content, protocol=protocol))
    fails(cifar.open_cifar10, tmp_path, rf"(?s)a CIFAR batch.*({name}).*test_batch\)")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("content", "pattern"),
    [
        ({"data": planes(2), "labels": [0, 10]}, "labels of a CIFAR batch to be from 0 to 9, got 10"),
        ({"data": planes(2), "labels": [0, -1]}, "from 0 to 9, got -1"),
        ({"data": planes(2), "labels": [0, 1.0]}, "from 0 to 9, got 1.0"),
        ({"data": planes(2), "labels": [0, True]}, "from 0 to 9, got True"),
        ({"data": planes(2), "labels": [0]}, "a list of 2, got 1"),
        ({"data": planes(2), "fine_labels": [0, 1]}, "a list of 2, got NoneType"),
        ({"data": planes(2)[:, :-1], "labels": [0, 1]}, r"uint8 \(n, 3072\), got uint8 \(2, 3071\)"),
        ({"labels": [0, 1]}, "got NoneType"),
        ([1, 2, 3], "got NoneType"),
    ],
)
def test_pickles_of_other_content_are_refused(tmp_path, content, pattern):
    (tmp_path / "test_batch").write_bytes(pickle.dumps(content))
    fails(cifar.open_cifar10, tmp_path, rf"{pattern} \(.*test_batch\)")


def test_damaged_pickles_are_refused_by_name(tmp_path):
    whole = python2_pickle(planes(2), [0, 1])
    for content in (b"", b"text", whole[: len(whole) // 2], whole[:-1], b"\x80\x02}" + whole[8:]):
        (tmp_path / "test_batch").write_bytes(content)
        fails(cifar.open_cifar10, tmp_path, r"test_batch\)")


def test_cifar_class_folders_keep_the_canonical_order(cifar10_jpeg):
    split = cifar.open_cifar10(str(cifar10_jpeg), "test")
    assert split.name == "cifar10-jpeg"
    assert split.classes == cifar.CLASSES
    assert len(split.samples) == 10_000
    assert all(s.id.partition("/")[0] == cifar.CLASSES[s.label] for s in split.samples)


def test_cifar_class_folders_must_be_the_ten(tmp_path):
    for name in cifar.CLASSES:
        write(tmp_path / "train" / name / "a.png")
    assert cifar.open_cifar10(str(tmp_path), "train").name == "cifar10"
    write(tmp_path / "train" / "boat" / "a.png")
    fails(cifar.open_cifar10, tmp_path, "one of airplane, .*, got boat", "train")
    (tmp_path / "train" / "ship" / "a.png").rename(tmp_path / "train" / "boat" / "b.png")
    (tmp_path / "train" / "ship").rmdir()
    fails(cifar.open_cifar10, tmp_path, "the class folder ship to be in this folder, got no folder", "train")


@pytest.mark.parametrize("name", ["cifar10", "fashion-mnist"])
def test_without_a_path_the_usual_places_are_looked_at(name, tmp_path, monkeypatch):
    monkeypatch.setattr(mnist, "DEBIAN", str(tmp_path / "debian"))
    monkeypatch.delenv("BENCHSUITE_DATA", raising=False)
    opened = {"cifar10": cifar.open_cifar10, "fashion-mnist": mnist.open_fashion_mnist}[name]

    def fill(root, label):
        if name == "cifar10":
            write_batch(root / "cifar-10-batches-py" / "test_batch", planes(1), [label])
        else:
            write_idx(root, np.zeros((1, 28, 28)), [label])

    fails(
        opened,
        None,
        f"looked in {re.escape(str(cache_dir() / 'data' / name))}.*: get it with `.* {name}`, or the .* is PATH",
    )
    if name == "fashion-mnist":
        fill(tmp_path / "debian", 7)
        assert opened(None, "test").samples[0].label == 7
    fill(cache_dir() / "data" / name, 8)
    assert opened(None, "test").samples[0].label == 8
    monkeypatch.setenv("BENCHSUITE_DATA", str(tmp_path / "own"))
    assert opened(None, "test").samples[0].label == 8
    fill(tmp_path / "own" / name, 9)
    assert opened(None, "test").samples[0].label == 9


# fashion-mnist


def idx(array):
    data = np.asarray(array, dtype=np.uint8)
    return struct.pack(f">I{data.ndim}I", 0x800 | data.ndim, *data.shape) + data.tobytes()


def write_idx(root, images, names, prefix="t10k", packed=False):
    root.mkdir(parents=True, exist_ok=True)
    for name, array in ((f"{prefix}-images-idx3-ubyte", images), (f"{prefix}-labels-idx1-ubyte", names)):
        content = array if isinstance(array, bytes) else idx(array)
        (root / (name + ".gz" if packed else name)).write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("inner", ["", "raw"])
@pytest.mark.parametrize("packed", [True, False])
def test_fashion_mnist_reads_idx_files(tmp_path, packed, inner):
    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    write_idx(tmp_path / inner, images, range(7), packed=packed)
    write_idx(tmp_path / inner, images[:2], [9, 0], "train", packed=packed)
    split = mnist.open_fashion_mnist(str(tmp_path), "test")
    assert labels(split) == {f"test-{i:05d}": i for i in range(7)}
    for i in range(7):
        found = pixels(split, f"test-{i:05d}")
        np.testing.assert_array_equal(found, np.dstack([images[i]] * 3))
        assert found.flags.writeable
    assert [s.label for s in mnist.open_fashion_mnist(str(tmp_path), "train").samples] == [9, 0]


def test_fashion_mnist_agrees_with_torchvisions(tmp_path):
    from torchvision.datasets import FashionMNIST

    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    for prefix in ("t10k", "train"):
        write_idx(tmp_path / "FashionMNIST" / "raw", images, [4, 3, 2, 1, 0], prefix)
    theirs = FashionMNIST(str(tmp_path), train=False)
    ours = mnist.open_fashion_mnist(str(tmp_path / "FashionMNIST"), "test")
    assert list(ours.classes) == theirs.classes
    for sample, (image, label) in zip(ours.samples, theirs, strict=True):
        assert sample.label == label
        np.testing.assert_array_equal(ours.read(sample), np.asarray(image.convert("RGB")))


BLANK = np.zeros((2, 28, 28))


@pytest.mark.parametrize(
    ("images", "names", "pattern"),
    [
        (BLANK, [1, 2, 3], r"as many as the 2 pictures, got 3 \(.*labels"),
        (BLANK, [1, 10], r"from 0 to 9, got 10 \(.*labels"),
        (np.zeros((0, 28, 28)), [], "got no labels"),
        (np.zeros((2, 28, 27)), [1, 2], r"of 28 x 28 pixels, got 28 x 27 \(.*images"),
        (idx(BLANK)[:-1], [1, 2], r"2 x 28 x 28 bytes after its header, got 1567 \(.*images"),
        (idx(BLANK) + b"x", [1, 2], r"after its header, got 1569 \(.*images"),
        (idx(BLANK[0]), [1, 2], r"begins with b'\\x00\\x00\\x08\\x03', got b'\\x00\\x00\\x08\\x02' \(.*images"),
        (b"\0\0", [1, 2], r"begins with .*, got b'\\x00\\x00' \(.*images"),
    ],
)
@pytest.mark.parametrize("packed", [True, False])
def test_idx_files_that_do_not_fit_are_refused_by_name(tmp_path, images, names, pattern, packed):
    write_idx(tmp_path, images, names, packed=packed)
    fails(mnist.open_fashion_mnist, tmp_path, pattern)


def test_damaged_gzip_is_refused_by_name(tmp_path):
    write_idx(tmp_path, BLANK, [1, 2], packed=True)
    file = tmp_path / "t10k-images-idx3-ubyte.gz"
    whole = file.read_bytes()
    flipped = whole[:12] + bytes([whole[12] ^ 0x40]) + whole[13:]
    for content in (b"", b"text", whole[:-4], whole[: len(whole) // 2], flipped):
        file.write_bytes(content)
        fails(mnist.open_fashion_mnist, tmp_path, r"images-idx3-ubyte.gz\)")


def test_a_missing_idx_file_is_named(tmp_path):
    write_idx(tmp_path, BLANK, [1, 2])
    fails(
        mnist.open_fashion_mnist,
        tmp_path,
        "train-images-idx3-ubyte or .*gz to be in the folder or in its subfolder raw, got no file",
        "train",
    )


# all of them


def test_every_dataset_is_declared_whole():
    found = load_plugins(entry_points=False)
    assert not found.broken
    for name, path in {
        "digits": "none",
        "imagenet": "required",
        "folder": "required",
        "cifar10": "optional",
        "fashion-mnist": "optional",
    }.items():
        dataset = found.datasets[name]
        assert dataset.path == path
        assert dataset.note
        assert dataset.source
        assert bool(dataset.download) == (path != "none")
        assert dataset.mirror == (name != "digits")


def test_the_mean_and_deviation_of_cifar_are_those_of_pnn():
    chosen = cifar.CIFAR10.preprocess
    assert (chosen.mean, chosen.std) == ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
    assert (chosen.resize, chosen.crop) == (32, 32)
