"""Tests of the usual copies of ImageNet: one hundred images in every layout are the same data set."""

from __future__ import annotations

import dataclasses
import functools
import io
import json
import os
import pickle
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from pathlib import Path

import copies
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import range_server
import shared_copies
from npz_loader import BoxPlugin

from benchsuite import BenchsuiteError, DataError, read_bytes
from benchsuite.builtin.datasets import _synsets, imagenet
from benchsuite.data.prepared_note import PreparedSpec
from benchsuite.data.prepared_writer import prepare
from benchsuite.doctor.check import CheckRequest, checkup
from benchsuite.evaluation.question import RunRequest
from benchsuite.progress import Progress
from benchsuite.runs.run import run
from benchsuite.specs.catalog import load_plugins
from benchsuite.storage import keys

CATALOG = load_plugins(extra=[BoxPlugin()])
PARQUET = ("parquet", "plain parquet")
SOME = ("folders", "official", "parquet")
JPEG = copies.made_up(1)[copies.name(1)][1]


@pytest.fixture(scope="module")
def pictures():
    """One hundred real images under the names of validation images, or made-up ones without the folder of real ones."""
    folder = os.environ.get("BENCHSUITE_TEST_DATA")
    if not folder:
        return copies.made_up(100)
    found = {}
    with tarfile.open(Path(folder) / "imagenet-500.tar") as archive:
        for member in archive:
            if member.isfile() and len(found) < 100:
                found[copies.name(len(found) + 1)] = Path(member.name).parent.name, archive.extractfile(member).read()
    return found


@pytest.fixture(scope="module")
def made(pictures, tmp_path_factory):
    """The path of each layout, made when it is asked for."""
    paths = {}

    def path(layout):
        if layout not in paths:
            paths[layout] = str(copies.LAYOUTS[layout](tmp_path_factory.mktemp("copy") / "root", pictures))
        return paths[layout]

    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / "cache"))


def opened(path):
    return imagenet.open_imagenet(str(path), "test")


def labels(split):
    return {s.id: s.label for s in split.samples}


def imagenet_index(wnid):
    return _synsets.wnids().index(wnid)


def fails(path, pattern):
    with pytest.raises(DataError, match=pattern) as caught:
        opened(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("layout", sorted(set(copies.LAYOUTS) - {"folders"}))
def test_a_copy_has_the_ids_order_labels_digest_and_pixels_of_class_folders(made, pictures, layout):
    usual, split = opened(made("folders")), opened(made(layout))
    assert [(s.id, s.label) for s in split.samples] == [(s.id, s.label) for s in usual.samples]
    assert keys.samples_digest(split.samples) == keys.samples_digest(usual.samples)
    assert len(split.samples) == 100
    sent = pickle.loads(pickle.dumps(split))
    for i in (0, 57, 99):
        np.testing.assert_array_equal(sent.read(sent.samples[i]), usual.read(usual.samples[i]))


def counted(data, results, **options):
    """Images and errors of a network of random weights."""
    request = RunRequest(("resnet20",), (shared_copies.PROTOCOL,), data, "random", **options)
    (row,) = run(dataclasses.replace(request, device="cpu", results=results), CATALOG, Progress())
    return [row["n"], row["top1_errors"], row["top5_errors"]]


@pytest.mark.parametrize(
    ("loader", "layouts"), [("torch", [*copies.LAYOUTS]), ("box", copies.PLACES), ("ffcv", copies.PLACES)]
)
def test_every_copy_gives_the_same_counts_by_each_exact_loader(made, tmp_path, monkeypatch, loader, layouts):
    """All layouts by the reference; a prepared file holds pixels, so that one layout of each kind of place is enough.

    It takes some seconds, as real images are decoded for each layout.
    """
    if loader == "ffcv":
        pytest.importorskip("ffcv")
    usual = counted(f"imagenet:{made('folders')}", tmp_path / "usual")
    assert usual[0] == 100
    for layout in layouts:
        monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / layout))
        data = f"imagenet:{made(layout)}"
        if loader != "torch":
            note = prepare(PreparedSpec(CATALOG.find("loader", loader), opened(made(layout)), data), Progress(), 2)
            assert note["images"] == 100
        assert counted(data, tmp_path / f"{layout} results", loader=loader, workers=2) == usual
        shutil.rmtree(tmp_path / layout)  # a prepared file is as large as all pixels


def test_every_copy_gives_the_same_counts_by_three_processes(made, pictures, tmp_path):
    """The same three processes count a copy of each kind of place; those of one kind differ in their labels alone."""
    pytest.importorskip("aiohttp")
    tar, chance = copies.class_tar(tmp_path / "store", pictures), np.random.default_rng(0)
    pixels, labels = chance.integers(0, 256, (100, 3 * 64 * 64), dtype=np.uint8), chance.integers(1, 1001, 100)
    np.savez(tmp_path / "val_data.npz", data=pixels, labels=labels)
    with range_server.serving(tar.parent) as address:
        data = {layout: f"imagenet:{made(layout)}" for layout in ("folders", *copies.PLACES, "webdataset")}
        data |= {"store": f"imagenet:{address}/val.tar", "rows": f"imagenet64:{tmp_path}"}
        command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "3", "--standalone"]
        subprocess.run([*command, shared_copies.__file__, json.dumps(data), str(tmp_path)], check=True, timeout=300)
    found = {name: json.loads((tmp_path / f"{name}.json").read_text()) for name in data}
    rows = counted(data["rows"], tmp_path / "alone")
    assert found == dict.fromkeys(data, counted(data["folders"], tmp_path / "usual")) | {"rows": rows}
    chunks = [line.rpartition(" ")[::2] for line in (tmp_path / "ranks").read_text().splitlines()]
    assert {rank for _, rank in chunks} == {"0", "1", "2"}
    assert Counter(name for name, _ in chunks) == dict.fromkeys(data, 6), "each chunk is computed once"


def test_a_check_reads_archives_as_it_reads_files(made):
    found = [checkup(CheckRequest(f"imagenet:{made(name)}", full=True), load_plugins(), Progress()) for name in SOME]
    assert len({f.pixels_digest for f in found}) == 1
    assert {f.exit_status for f in found} == {found[0].exit_status}
    assert [f.text for f in found[0].findings if f.check == "sizes"] == [
        f.text for f in found[1].findings if f.check == "sizes"
    ]


# labels


def test_labels_on_another_disk_are_named_with_the_data(pictures, tmp_path):
    root = copies.flat(tmp_path / "root", pictures)
    (root / "val.txt").rename(tmp_path / "mine.txt")
    fails(root, "labelled by")
    usual = {n: imagenet_index(w) for n, (w, _) in pictures.items()}
    assert labels(opened(f"{root},labels={tmp_path / 'mine.txt'}")) == usual
    fails(f"{root},labels={tmp_path / 'none.txt'}", "a readable text.*none.txt")


def test_the_kits_numbers_follow_its_meta_mat_and_not_the_sorted_ids(pictures, tmp_path):
    copies.official(tmp_path, pictures)
    folder = tmp_path / copies.KIT / "data"
    truth = folder / "ILSVRC2012_validation_ground_truth.txt"
    numbers = [int(line) for line in truth.read_text().split()]
    split = opened(tmp_path)
    assert [_synsets.wnids()[s.label] for s in split.samples] == [copies.kit_order()[n - 1] for n in numbers]
    assert [s.label for s in split.samples] != [n - 1 for n in numbers]
    truth.write_text("1001\n" * 100)
    fails(tmp_path, "an ILSVRC2012_ID of a class in meta.mat, got 1001")
    truth.write_text("5\n" * 99)
    fails(tmp_path, "which the ground truth labels, got ILSVRC2012_val_00000100")
    (folder / "meta.mat").write_bytes(b"nothing")
    fails(tmp_path, "Expected meta.mat to be that of the development kit")
    (folder / "meta.mat").unlink()
    fails(tmp_path, "bare numbers: the development kit")


def test_the_hubs_cache_folder_opens(pictures, tmp_path):
    copies.parquet(tmp_path / "datasets--ILSVRC--imagenet-1k" / "snapshots" / "0a1b", pictures)
    split = opened(tmp_path / "datasets--ILSVRC--imagenet-1k")
    assert labels(split) == {n: imagenet_index(w) for n, (w, _) in pictures.items()}


def test_a_parquet_label_out_of_range_is_named(tmp_path):
    rows = {"image": [{"bytes": JPEG, "path": "a.JPEG"}], "label": [1000]}
    pq.write_table(pa.table(rows), tmp_path / "validation-0.parquet")
    with pytest.raises(DataError, match=r"one of the 1000 classes .*, got 1000 \(.*validation-0.parquet/a.JPEG"):
        CATALOG.open_dataset(f"imagenet:{tmp_path}")


def test_rows_of_the_other_split_are_passed_over_as_members_of_a_tar_are(tmp_path):
    names = [f"{top}/{wnid}/{i}.JPEG" for top in ("train", "val") for i, wnid in enumerate(_synsets.wnids()[:2])]
    table = {"image": [{"bytes": JPEG, "path": name} for name in names], "label": [0, 1, 0, 1]}
    pq.write_table(pa.table(table), tmp_path / "all.parquet")
    assert [s.where.rpartition("all.parquet/")[2] for s in opened(tmp_path / "all.parquet").samples] == names[2:]


def test_rows_without_names_are_numbered_through_all_files(pictures, tmp_path):
    some = dict(list(pictures.items())[:5])
    contents, wnids = [content for _, content in some.values()], [wnid for wnid, _ in some.values()]
    for shard, rows in enumerate([slice(0, 3), slice(3, 5)]):
        table = {"image": contents[rows], "label": [imagenet_index(w) for w in wnids[rows]]}
        pq.write_table(pa.table(table), tmp_path / f"validation-{shard}.parquet")
    split = opened(tmp_path)
    assert labels(split) == {f"{i:08d}": imagenet_index(w) for i, w in enumerate(wnids)}
    assert [read_bytes(s.place) for s in split.samples] == contents


def test_the_reassessed_labels_are_counted_for_an_archive_too(pictures, tmp_path):
    file = copies.class_tar(tmp_path, pictures)
    split = imagenet.open_real(str(file), "test")
    usual = imagenet.open_real(str(copies.folders(tmp_path / "folders", pictures)), "test")
    assert [(s.id, s.label, s.real) for s in split.samples] == [(s.id, s.label, s.real) for s in usual.samples]


# what lies in tars


def test_links_long_names_and_shadow_files_in_a_tar(tmp_path):
    wnid, deep = "n01440764", "x" * 120
    for form in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        file = tmp_path / f"{form}.tar"
        with tarfile.open(file, "w", format=form) as archive:
            for name, content in [
                (f"{deep}/val/{wnid}/{deep}.JPEG", JPEG),
                (f"{deep}/val/{wnid}/._{deep}.JPEG", b"Mac"),
                (f"{deep}/val/{wnid}/readme", b""),
            ]:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            for kind, name, target in [
                (tarfile.SYMTYPE, "soft", f"{deep}.JPEG"),
                (tarfile.LNKTYPE, "hard", f"{deep}/val/{wnid}/{deep}.JPEG"),
            ]:
                info = tarfile.TarInfo(f"{deep}/val/{wnid}/{name}.JPEG")
                info.type, info.linkname = kind, target
                archive.addfile(info)
        split = opened(file)
        assert labels(split) == dict.fromkeys((deep, "soft", "hard"), 0)
        assert all(np.asarray(split.read(s)).shape == (30, 40, 3) for s in split.samples)


@pytest.mark.parametrize(
    ("target", "said"), [("gone.JPEG", "to a file in it, got .*gone.JPEG"), ("link.JPEG", "to a file in it")]
)
def test_a_link_to_nothing_or_to_itself_is_named(tmp_path, target, said):
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        info = tarfile.TarInfo("n01440764/link.JPEG")
        info.type, info.linkname = tarfile.SYMTYPE, target
        archive.addfile(info)
    fails(tmp_path / "a.tar", said)


def test_an_empty_member_and_one_that_is_no_image_are_named(tmp_path):
    for content, said in ((b"", "an empty file"), (b"text", "begins with b'text'")):
        copies.tar(tmp_path / "a.tar", {"n01440764/a.JPEG": content})
        fails(tmp_path / "a.tar", rf"{said} \(.*a.tar/n01440764/a.JPEG\)")


def test_a_compressed_tar_says_what_to_do(tmp_path):
    (tmp_path / "val.tar.gz").write_bytes(b"x")
    fails(tmp_path / "val.tar.gz", "a compressed tar; decompress it")


def test_an_archive_that_changes_after_it_was_opened_is_refused(tmp_path, pictures):
    file = copies.class_tar(tmp_path, pictures)
    split = opened(file)
    split.read(split.samples[0])
    copies.class_tar(tmp_path, dict(list(pictures.items())[::-1]))
    with pytest.raises(DataError, match="an image"):
        split.read(split.samples[0])


# damage


def damaged(content, chance):
    content, kind = bytearray(content), chance.integers(4)
    for _ in range(int(chance.integers(1, 4))):
        at, length = int(chance.integers(len(content) or 1)), int(chance.integers(1, 600))
        if kind == 0:
            content[at : at + 1] = bytes([content[at] ^ 1 << int(chance.integers(8))]) if content else b""
        elif kind == 1:
            del content[at:]
        elif kind == 2:
            del content[at : at + length]
        else:
            content[at : at + length] = chance.bytes(length)
    return bytes(content)


def test_a_damaged_meta_mat_is_refused_in_a_line_or_read_rightly(tmp_path):
    root = copies.official(tmp_path / "root", copies.made_up(6, (16, 12)))
    file, usual = root / copies.KIT / "data" / "meta.mat", labels(opened(root))
    whole, chance = file.read_bytes(), np.random.default_rng(11)
    file.write_bytes(whole.replace(b"n01440764", b"n01440765"))
    fails(root, r"Expected meta\.mat to be that of the development kit, .* got 1000 classes, or others")
    said = []
    for _ in range(40):
        file.write_bytes(damaged(whole, chance))
        try:
            found = labels(opened(root))
        except DataError as error:
            said.append(str(error))
            continue
        assert found == usual
    assert len(said) > 20
    assert [s for s in said if not re.fullmatch(r"Expected meta\.mat to be that of the development kit, .*", s)] == []


@pytest.mark.parametrize("layout", ["class tar", "kaggle zip", "parquet", "plain parquet", "flat", "webdataset"])
def test_a_thousand_damaged_archives_and_labels_are_refused_in_a_line_or_read_rightly(tmp_path, layout):
    small = copies.made_up(6, (16, 12))
    plain = functools.partial(copies.parquet, compression="none")
    root = {**copies.LAYOUTS, "plain parquet": plain}[layout](tmp_path / "root", small)
    files = {"flat": "val.txt", "webdataset": "*0.tar", **dict.fromkeys(PARQUET, "data/*0-of*.parquet")}
    file = next(root.glob(files[layout])) if layout in files else root
    whole, chance = file.read_bytes(), np.random.default_rng(12)
    usual = {s.id: s.label for s in opened(root).samples}
    said = []
    for _ in range(200):
        file.write_bytes(damaged(whole, chance))
        try:
            _, split = CATALOG.open_dataset(f"imagenet:{root}")
            for sample in split.samples:
                split.read(sample)
        except BenchsuiteError as error:
            said.append(str(error))
            continue
        assert len(split.samples) == len(usual), "no image is left out without a word"
        if layout in ("class tar", "kaggle zip"):
            assert {s.id: s.label for s in split.samples} == usual
        if layout in PARQUET:  # a name has no checksum, but a label has to agree with it
            assert sorted(s.label for s in split.samples) == sorted(usual.values())
    assert len(said) > 50
    assert [line for line in said if "\n" in line or not line.startswith("Expected ")] == []


def beside(root, pictures, **files):
    """The images in one folder, with labels files beside them: of numbers that count, or of WordNet ids."""
    for name, (_, content) in pictures.items():
        copies.write(root / "val" / f"{name}.JPEG", content)
    for name, text in files.items():
        copies.write(root / name.replace("_csv", ".csv").replace("_txt", ".txt"), text)
    return root


def kaggle(pictures):
    return "ImageId,PredictionString\n" + "".join(f"{n},{w} 1 2 3 4\n" for n, (w, _) in pictures.items())


@pytest.mark.parametrize("n", [2, 32, 1010])
def test_running_numbers_are_no_labels_and_the_file_that_fits_is_taken_and_named(tmp_path, n):
    pictures = {copies.name(i): (_synsets.wnids()[i % 7], JPEG) for i in range(1, n + 1)}
    running = "".join(f"{name} {i}\n" for i, name in enumerate(pictures, 1))
    fails(
        beside(tmp_path / "alone", pictures, val_txt=running), "class indices or WordNet ids.* got running numbers: 1"
    )
    root = beside(tmp_path / "both", pictures, val_txt=running, LOC_val_solution_csv=kaggle(pictures))
    split = opened(root)
    assert labels(split) == {name: imagenet_index(wnid) for name, (wnid, _) in pictures.items()}
    (line,) = split.notes
    assert line == f"labels from {root / 'LOC_val_solution.csv'}; {root / 'val.txt'} does not fit"


def test_a_file_that_counts_other_lines_than_the_images_is_refused_too(tmp_path):
    pictures = {copies.name(i): (_synsets.wnids()[0], JPEG) for i in (3, 7)}
    whole = "".join(f"{copies.name(i)} {i}\n" for i in range(1, 50))
    fails(beside(tmp_path / "a", pictures, val_txt=whole), "got running numbers")
    fails(beside(tmp_path / "b", pictures, val_txt=f"{copies.name(3)} 3\n{copies.name(7)} 7\n"), "got running numbers")


def test_two_labels_files_that_agree_are_named_and_two_that_disagree_are_an_error(tmp_path):
    pictures = copies.made_up(3)
    same = "".join(f"{name} {wnid}\n" for name, (wnid, _) in pictures.items())
    (line,) = opened(beside(tmp_path / "a", pictures, val_txt=same, LOC_val_solution_csv=kaggle(pictures))).notes
    assert line.startswith("labels from ")
    assert "val.txt, as in " in line
    (tmp_path / "a/val.txt").write_text(same.replace(pictures[copies.name(2)][0], "n01440764"))
    fails(tmp_path / "a", f"labels of two files to be the same.* for {copies.name(2)} .*val.txt and .*LOC_val_solution")
    assert opened(f"{tmp_path / 'a'},labels={tmp_path / 'a' / 'LOC_val_solution.csv'}").notes == ()


def test_the_labels_file_that_is_taken_is_told_by_a_check(tmp_path):
    pictures = copies.made_up(3)
    running = "".join(f"{name} {i}\n" for i, name in enumerate(pictures, 1))
    root = beside(tmp_path / "a", pictures, val_txt=running, LOC_val_solution_csv=kaggle(pictures))
    found = checkup(CheckRequest(f"imagenet:{root}"), load_plugins(), Progress())
    assert [f.text for f in found.findings if f.check == "opening"] == list(opened(root).notes)
