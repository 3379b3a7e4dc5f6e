"""Tests of ``hf:NAME``: a local folder of Parquet files, through the library."""

from types import SimpleNamespace

import copies
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import range_server

from benchsuite import DataError
from benchsuite.builtin.datasets import _synsets, hub, imagenet
from benchsuite.storage import keys

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def own_caches(tmp_path, monkeypatch):
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hub")


@pytest.mark.parametrize("stream", ["", ",stream"])
@pytest.mark.parametrize("own", [False, True])
def test_a_local_folder_is_the_data_set_that_imagenet_reads(tmp_path, own, stream):
    root = copies.parquet(tmp_path / "set", copies.made_up(7), shards=1)
    if own:  # with the library's own types of columns in the file
        (file,) = (root / "data").iterdir()
        rows = datasets.Dataset.from_parquet(str(file), cache_dir=str(tmp_path / "other"))
        names = datasets.ClassLabel(names=list(_synsets.wnids()))
        rows.cast_column("image", datasets.Image(decode=False)).cast_column("label", names).to_parquet(str(file))
    ours, theirs = imagenet.open_imagenet(str(root), "test"), hub.open_hub(f"{root}{stream}", "test")
    names = _synsets.names(_synsets.wnids())
    assert theirs.classes == (names if own else tuple(map(str, range(len(theirs.classes)))))
    assert keys.samples_digest(theirs.samples) == keys.samples_digest(ours.samples)
    for a, b in zip(ours.samples, theirs.samples, strict=True):
        np.testing.assert_array_equal(ours.read(a), theirs.read(b))


def test_a_data_set_that_does_not_load_is_named_in_a_line(tmp_path):
    with pytest.raises(DataError, match="to be a data set that loads") as caught:
        hub.open_hub(str(tmp_path / "none"), "test")
    assert "\n" not in str(caught.value)


def test_a_stream_reads_files_on_a_server_and_has_the_names_of_the_classes(tmp_path, monkeypatch):
    """What the library says of a data set on the hub, here of files on this machine."""
    pytest.importorskip("aiohttp")
    pictures = copies.made_up(9)
    root = copies.parquet(tmp_path / "set", pictures)
    with range_server.serving(root) as address:
        files = {"validation": [f"{address}/{f.relative_to(root)}" for f in sorted(root.glob("data/*"))]}
        rows = SimpleNamespace(features={"label": datasets.ClassLabel(names=list(_synsets.wnids()))})
        builder = SimpleNamespace(config=SimpleNamespace(data_files=files))
        monkeypatch.setattr(datasets, "load_dataset_builder", lambda name: builder)
        monkeypatch.setattr(datasets, "load_dataset", lambda name, streaming: {"validation": rows})
        split = hub.open_hub("ORG/NAME,stream", "test")
        usual = imagenet.open_imagenet(str(root), "test")
        assert split.name == "hf:ORG/NAME"
        assert split.classes == usual.classes
        assert keys.samples_digest(split.samples) == keys.samples_digest(usual.samples)
        for a, b in zip(usual.samples, split.samples, strict=True):
            np.testing.assert_array_equal(usual.read(a), split.read(b))
    assert not (tmp_path / "hub").exists(), "nothing is copied"


def test_rows_without_names_have_the_same_ids_loaded_and_streamed(tmp_path):
    (tmp_path / "set").mkdir()
    contents = [content for _, content in copies.made_up(5).values()]
    for shard, rows in enumerate([slice(0, 3), slice(3, 5)]):
        table = {"image": [{"bytes": c, "path": None} for c in contents[rows]], "label": range(5)[rows]}
        kinds = pa.schema({"image": pa.struct({"bytes": pa.binary(), "path": pa.string()}), "label": pa.int64()})
        pq.write_table(pa.table(table, kinds), tmp_path / "set" / f"validation-{shard}-of-2.parquet")
    one, other = (hub.open_hub(f"{tmp_path / 'set'}{stream}", "test") for stream in ("", ",stream"))
    assert [s.id for s in one.samples] == [f"validation-{i:07d}" for i in range(5)]
    assert keys.samples_digest(one.samples) == keys.samples_digest(other.samples)
    assert one.classes == other.classes


def test_a_stream_of_other_files_and_another_option_are_named(tmp_path):
    for name in ("a", "b"):
        copies.write(tmp_path / "set" / "validation" / name / "1.jpg", copies.made_up(1)[copies.name(1)][1])
    with pytest.raises(DataError, match=r"one of Parquet files \(else leave out ,stream\), got .*1.jpg"):
        hub.open_hub(f"{tmp_path / 'set'},stream", "test")
    with pytest.raises(DataError, match=r"followed by ,stream or nothing, got ,streams"):
        hub.open_hub("ORG/NAME,streams", "test")
