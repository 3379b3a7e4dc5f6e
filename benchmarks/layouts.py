"""Images per second of the layouts of ImageNet compared with class folders, and the memory that a large shard takes.

``python benchmarks/layouts.py imagenet:PATH [--images 300] [--repeat 1] [--rounds 5] [--shard 10000]``

The images are copied from ``PATH`` into a temporary folder, as class folders, a tar, a zip, WebDataset shards, and
Parquet files in the order of the names and in random order. Each is read whole by the reference loader, in turn, with
all files in the page cache; medians and the ratio to class folders are printed. Aim: tar and Parquet at least 0.9.

Parquet files are of row groups of 100 images. ``datasets`` compressed images by Snappy, and writes them as they are
since 2026 (https://github.com/huggingface/datasets/pull/7976); ``zstd`` shows a compression whose row groups are read
whole. ``--repeat`` writes each image that often, by other names: a file of over 256 MiB and a quarter of free memory
exceeds what is kept of them.

Then the peak memory of reading a tar and a Parquet file of ``--shard`` small images is compared with that of a tenth of
them. Aim: 1.1.
"""

from __future__ import annotations

import argparse
import io
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchsuite import Split, load_plugins, read_bytes
from benchsuite.data.prefetch import cores
from benchsuite.specs.dataset import spread

Pictures = list[tuple[str, str, int, bytes]]
"""Name, WordNet id, class index and bytes of each image."""


def tar(path: Path, files: Iterator[tuple[str, bytes]]) -> None:
    """Writes a tar."""
    with tarfile.open(path, "w") as archive:
        for name, content in files:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def parquet(path: Path, pictures: Pictures, compression: str = "snappy") -> None:
    """Writes a Parquet file with the columns and the row groups of 100 images of the hub's files."""
    image = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    schema = pa.schema({"image": image, "label": pa.int64()})
    coding = {"compression": compression, "use_dictionary": compression != "none"}
    with pq.ParquetWriter(path, schema, **coding) as writer:
        for first in range(0, len(pictures), 100):
            rows = pictures[first : first + 100]
            images = [{"bytes": content, "path": f"{name}_{wnid}.JPEG"} for name, wnid, _, content in rows]
            writer.write_table(pa.table({"image": images, "label": [p[2] for p in rows]}, schema))


def layouts(root: Path, pictures: Pictures) -> dict[str, Path]:
    """Writes the copies; returns the path of each."""
    for name, wnid, _, content in pictures:
        (root / "folders" / wnid).mkdir(parents=True, exist_ok=True)
        (root / "folders" / wnid / f"{name}.JPEG").write_bytes(content)
    tar(root / "images.tar", ((f"val/{wnid}/{name}.JPEG", content) for name, wnid, _, content in pictures))
    with zipfile.ZipFile(root / "images.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, wnid, _, content in pictures:
            archive.writestr(f"val/{wnid}/{name}.JPEG", content)
    parquet(root / "ordered.parquet", pictures)
    mixed = random.Random(0).sample(pictures, len(pictures))
    for compression in ("none", "snappy", "zstd"):
        parquet(root / f"mixed-{compression}.parquet", mixed, compression)
    (root / "webdataset").mkdir()
    parts = ([(f"{n}.jpg", content), (f"{n}.cls", str(label).encode())] for n, _, label, content in pictures)
    tar(root / "webdataset" / "0.tar", (file for part in parts for file in part))
    return {path.name: path for path in sorted(root.iterdir())}


def seconds(split: Split, workers: int) -> float:
    """The time of one pass of the reference loader."""
    start = time.perf_counter()
    loader = load_plugins().find("loader", "torch")
    seen = sum(np.asarray(p).ndim == 3 for p in loader.images(split, split.samples, lambda p, _: p, workers))
    if seen != len(split.samples):
        raise SystemExit(f"{seen} images instead of {len(split.samples)}")
    return time.perf_counter() - start


def compare(data: str, args: argparse.Namespace) -> None:
    """Prints the table of images per second."""
    catalog = load_plugins()
    source = catalog.open_dataset(data)[1]
    pictures: Pictures = []
    for s in spread(source.samples, args.images):
        content = Path(s.where).read_bytes() if s.place is None else read_bytes(s.place)
        wnid = Path(s.where).parent.name
        pictures += [(f"{s.id}_{i}" if i else s.id, wnid, s.label, content) for i in range(args.repeat)]
    with tempfile.TemporaryDirectory() as scratch:
        paths = layouts(Path(scratch), pictures)
        start = {name: time.perf_counter() for name in paths}
        splits = {}
        for name, path in paths.items():
            start[name] = time.perf_counter()
            splits[name] = catalog.open_dataset(f"imagenet:{path}")[1]
            start[name] = time.perf_counter() - start[name]
            seconds(splits[name], args.workers)
        times: dict[str, list[float]] = {name: [] for name in splits}
        for _ in range(args.rounds):
            for name, split in splits.items():
                times[name].append(seconds(split, args.workers))
    for name, measured in times.items():
        ratio = statistics.median(a / b for a, b in zip(times["folders"], measured, strict=True))
        rate = len(pictures) / statistics.median(measured)
        print(f"{name:19} {rate:8.1f} images/s   {ratio:.3f} of class folders   opened in {start[name]:.3f} s")


def child(path: str) -> None:
    """Reads every image of an archive; prints the peak memory in MiB, on Linux."""
    split = load_plugins().open_dataset(f"imagenet:{path}")[1]
    seconds(split, 2)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(int(status["VmHWM"].split()[0]) / 2**10)  # ru_maxrss would be that of the process that started this one


def memory(count: int) -> None:
    """Prints the peaks for a shard and for a tenth of it."""
    chance, pictures = np.random.default_rng(0), Pictures()
    for i in range(count):
        buffer = io.BytesIO()
        Image.fromarray(chance.integers(0, 256, (160, 160, 3), dtype=np.uint8)).save(buffer, "JPEG")
        pictures.append((f"{i:06}", "n01440764", 0, buffer.getvalue()))
    for suffix in (".tar", ".parquet"):
        peaks = []
        for images in (count // 10, count):
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch, f"{images}{suffix}")
                if suffix == ".tar":
                    tar(path, ((f"val/{wnid}/{name}.JPEG", content) for name, wnid, _, content in pictures[:images]))
                else:
                    parquet(path, random.Random(0).sample(pictures[:images], images))
                size = path.stat().st_size / 2**20
                command = [sys.executable, __file__, "--child", str(path)]
                done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            peaks.append(float(done.stdout))
            print(f"{suffix} of {images:6} images, {size:6.1f} MiB: peak {peaks[-1]:.1f} MiB")
        print(f"{suffix}: peak of {count} over that of {count // 10}: {peaks[1] / peaks[0]:.3f}")


def main() -> None:
    """Prints the rates and the memory."""
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="imagenet:PATH")
    parser.add_argument("--images", type=int, default=300)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--shard", type=int, default=10_000)
    args = parser.parse_args()
    compare(args.data, args)
    if args.shard:
        memory(args.shard)


if __name__ == "__main__":
    main()
