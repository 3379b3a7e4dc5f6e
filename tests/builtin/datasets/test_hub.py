"""Tests of ``hf:NAME``: a local folder of Parquet files, through the library."""

import copies
import numpy as np
import pytest

from benchsuite import DataError
from benchsuite.builtin.datasets import _synsets, hub, imagenet
from benchsuite.storage import keys

datasets = pytest.importorskip("datasets")


@pytest.mark.parametrize("own", [False, True])
def test_a_local_folder_is_the_data_set_that_imagenet_reads(tmp_path, monkeypatch, own):
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "hub")
    root = copies.parquet(tmp_path / "set", copies.made_up(7), shards=1)
    if own:  # with the library's own types of columns in the file
        (file,) = (root / "data").iterdir()
        rows = datasets.Dataset.from_parquet(str(file), cache_dir=str(tmp_path / "other"))
        names = datasets.ClassLabel(names=list(_synsets.wnids()))
        rows.cast_column("image", datasets.Image(decode=False)).cast_column("label", names).to_parquet(str(file))
    ours, theirs = imagenet.open_imagenet(str(root), "test"), hub.open_hub(str(root), "test")
    assert keys.samples_digest(theirs.samples) == keys.samples_digest(ours.samples)
    for a, b in zip(ours.samples, theirs.samples, strict=True):
        np.testing.assert_array_equal(ours.read(a), theirs.read(b))


def test_a_data_set_that_does_not_load_is_named_in_a_line(tmp_path):
    with pytest.raises(DataError, match="to be a data set that loads") as caught:
        hub.open_hub(str(tmp_path / "none"), "test")
    assert "\n" not in str(caught.value)
