"""Copies of ImageNet in the usual layouts, made from the same JPEG files."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchsuite.builtin.datasets import _synsets

Pictures = Mapping[str, tuple[str, bytes]]
"""File name without suffix -> the WordNet id of its class, and its bytes."""
KIT = "ILSVRC2012_devkit_t12"


def name(n: int) -> str:
    return f"ILSVRC2012_val_{n:08d}"


def made_up(count: int, size: tuple[int, int] = (40, 30)) -> dict[str, tuple[str, bytes]]:
    """Random JPEG files of made-up classes."""
    chance, wnids = np.random.default_rng(0), _synsets.wnids()
    found = {}
    for n in range(1, count + 1):
        buffer = io.BytesIO()
        Image.fromarray(chance.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)).save(buffer, "JPEG")
        found[name(n)] = wnids[int(chance.integers(1000))], buffer.getvalue()
    return found


def write(path: Path, content: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def tar(path: Path, files: Mapping[str, bytes], form: int = tarfile.GNU_FORMAT) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=form) as archive:
        for member, content in files.items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def meta_mat() -> bytes:
    """``meta.mat`` with the fields of the true one: the 1000 classes in an order of their own, and inner synsets."""
    from scipy.io import savemat

    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children", "children", "wordnet_height")
    rows = [(i, w, "a, b", "c", 0, np.zeros(0), 0) for i, w in enumerate(kit_order(), 1)]
    rows += [(1000 + i, f"n9999999{i}", "inner", "c", 2, np.array([1.0, 2.0]), 1) for i in range(1, 4)]
    synsets = np.array(rows, dtype=[(f, object) for f in fields]).reshape(-1, 1)
    buffer = io.BytesIO()
    savemat(buffer, {"synsets": synsets})
    return buffer.getvalue()


def kit_order() -> list[str]:
    """The class of each ILSVRC2012_ID of the made-up kit: an order unlike that of the sorted WordNet ids."""
    return [str(w) for w in np.random.default_rng(1).permutation(_synsets.wnids())]


def kit(folder: Path, pictures: Pictures) -> None:
    numbers = {w: i for i, w in enumerate(kit_order(), 1)}
    truth = "".join(f"{numbers[wnid]}\n" for _, (wnid, _) in sorted(pictures.items()))
    write(folder / KIT / "data" / "ILSVRC2012_validation_ground_truth.txt", truth)
    write(folder / KIT / "data" / "meta.mat", meta_mat())


def solution(pictures: Pictures) -> str:
    return "ImageId,PredictionString\n" + "".join(f"{n},{w} 1 2 3 4 \n" for n, (w, _) in reversed(pictures.items()))


def folders(root: Path, pictures: Pictures, top: str = "val") -> Path:
    for n, (wnid, content) in pictures.items():
        write(root / top / wnid / f"{n}.JPEG", content)
    return root


def flat(root: Path, pictures: Pictures) -> Path:
    for n, (_, content) in pictures.items():
        write(root / "val" / f"{n}.JPEG", content)
    write(root / "val.txt", "".join(f"{n}.JPEG {w}\n" for n, (w, _) in pictures.items()))
    return root


def validation(root: Path, pictures: Pictures) -> Path:
    return folders(root, pictures, "validation")


def official(root: Path, pictures: Pictures) -> Path:
    tar(root / "ILSVRC2012_img_val.tar", {f"{n}.JPEG": content for n, (_, content) in pictures.items()})
    kit(root, pictures)
    return root


def packed_kit(root: Path, pictures: Pictures) -> Path:
    """The official tar, given itself, with the packed development kit beside it."""
    official(root, pictures)
    with tarfile.open(root / f"{KIT}.tar.gz", "w:gz") as archive:
        archive.add(root / KIT, KIT)
    for file in (root / KIT / "data").iterdir():
        file.unlink()
    return root / "ILSVRC2012_img_val.tar"


def kaggle(root: Path, pictures: Pictures) -> Path:
    for n, (_, content) in pictures.items():
        write(root / "ILSVRC" / "Data" / "CLS-LOC" / "val" / f"{n}.JPEG", content)
    write(root / "LOC_val_solution.csv", solution(pictures))
    return root


def kaggle_zip(root: Path, pictures: Pictures) -> Path:
    root.mkdir(parents=True)
    file = root / "imagenet-object-localization-challenge.zip"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for n, (_, content) in pictures.items():
            archive.writestr(f"ILSVRC/Data/CLS-LOC/val/{n}.JPEG", content)
        archive.writestr("ILSVRC/Data/CLS-LOC/train/n01440764/n01440764_1.JPEG", b"\xff\xd8\xff")
        archive.writestr("LOC_val_solution.csv", solution(pictures))
        numbers = "".join(f"{n} {i}\n" for i, n in enumerate(sorted(pictures), 1))
        archive.writestr("ILSVRC/ImageSets/CLS-LOC/val.txt", numbers)  # running numbers, not labels
    return file


def named(root: Path, pictures: Pictures) -> Path:
    for n, (wnid, content) in pictures.items():
        write(root / f"{n}_{wnid}.JPEG", content)
    return root


def parquet(root: Path, pictures: Pictures, shards: int = 2, compression: str = "snappy") -> Path:
    index = {w: i for i, w in enumerate(_synsets.wnids())}
    items = list(pictures.items())[::-1]
    for shard in range(shards):
        rows = items[shard::shards]
        images = [{"bytes": content, "path": f"{n}_{w}.JPEG"} for n, (w, content) in rows]
        table = pa.table({"image": images, "label": [index[w] for _, (w, _) in rows]})
        file = root / "data" / f"validation-{shard:05d}-of-{shards:05d}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, file, row_group_size=13, compression=compression)
    return root


def webdataset(root: Path, pictures: Pictures, form: str = "cls") -> Path:
    index = {w: i for i, w in enumerate(_synsets.wnids())}
    items = list(pictures.items())
    for shard in range(2):
        files = {}
        for n, (w, content) in items[shard::2]:
            files[f"{n}.jpg"] = content
            label = f"{index[w]}" if form == "cls" else json.dumps({"label": index[w], "filename": f"{n}.JPEG"})
            files[f"{n}.{form}"] = label.encode()
        tar(root / f"imagenet1k-validation-{shard:02d}.tar", files)
    return root


def class_tar(root: Path, pictures: Pictures) -> Path:
    tar(root / "val.tar", {f"./val/{w}/{n}.JPEG": c for n, (w, c) in pictures.items()}, tarfile.PAX_FORMAT)
    return root / "val.tar"


LAYOUTS: dict[str, Callable[[Path, Pictures], Path]] = {
    "folders": folders,
    "flat": flat,
    "validation": validation,
    "official": official,
    "packed kit": packed_kit,
    "kaggle": kaggle,
    "kaggle zip": kaggle_zip,
    "named": named,
    "parquet": parquet,
    "webdataset": webdataset,
    "webdataset json": lambda root, pictures: webdataset(root, pictures, "json"),
    "class tar": class_tar,
}
PLACES = ("official", "kaggle zip", "parquet")
"""Layouts whose images lie in each kind of archive."""
