"""Tests of ``imagenet64:PATH``: planes become pixels, and the files' labels the usual class indices."""

import numpy as np
import pytest

from benchsuite import DataError
from benchsuite.builtin.datasets import _synsets, imagenet64


def write(path, pixels, labels):
    np.savez(path, data=pixels, labels=np.array(labels))
    return path


def test_the_order_of_the_kits_is_one_of_the_thousand_and_fits_the_first_validation_images():
    """The ground truth begins 490, 361, 171; these images show a sea snake, an alp and a Shetland sheepdog."""
    order = _synsets.ilsvrc_order()
    assert sorted(order) == list(_synsets.wnids())
    assert [order[n - 1] for n in (490, 361, 171)] == ["n01751748", "n09193705", "n02105855"]


def test_rows_are_planes_and_labels_count_from_one_in_the_kits_order(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 12288), dtype=np.uint8)
    write(tmp_path / "val_data.npz", pixels, [490, 1, 1000])
    for path in (tmp_path, tmp_path / "val_data.npz"):
        split = imagenet64.open_imagenet64(str(path), "test")
        wnids = [_synsets.wnids()[s.label] for s in split.samples]
        assert wnids == ["n01751748", "n02119789", _synsets.ilsvrc_order()[999]]
        image = split.read(split.samples[1])
        assert image[5, 9].tolist() == [pixels[1, plane * 4096 + 5 * 64 + 9] for plane in range(3)]


@pytest.mark.parametrize(
    ("pixels", "labels", "said"),
    [
        (np.zeros((2, 12288), np.uint8), [0, 1], "from 1 to 1000, got 0"),
        (np.zeros((2, 12288), np.uint8), [1, 1001], "from 1 to 1000, got 1001"),
        (np.zeros((2, 12288), np.uint8), [1], "a number for each of 2 pictures"),
        (np.zeros((2, 3072), np.uint8), [1, 2], r"uint8 \(n, 12288\)"),
    ],
)
def test_other_arrays_are_refused(tmp_path, pixels, labels, said):
    write(tmp_path / "val_data.npz", pixels, labels)
    with pytest.raises(DataError, match=said):
        imagenet64.open_imagenet64(str(tmp_path), "test")


def test_a_damaged_or_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match="no file"):
        imagenet64.open_imagenet64(str(tmp_path), "test")
    (tmp_path / "val_data.npz").write_bytes(b"PK\3\4 and no more")
    with pytest.raises(DataError, match=r"whole, with data and labels.*val_data\.npz"):
        imagenet64.open_imagenet64(str(tmp_path), "test")
