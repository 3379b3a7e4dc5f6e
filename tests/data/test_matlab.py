"""Tests of the reader of MATLAB files, against scipy's."""

from __future__ import annotations

import io

import copies
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import loadmat, savemat

from benchsuite import matlab_structs

NUMBER = st.integers(0, 255) | st.integers(-(2**31), 2**31 - 1) | st.floats(allow_nan=False, width=32)
TEXT = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1).filter(lambda s: s == s.strip())


def saved(rows, compressed):
    fields = ("ILSVRC2012_ID", "WNID", "a")
    array = np.array(rows, dtype=[(f, object) for f in fields]).reshape(-1, 1)
    buffer = io.BytesIO()
    savemat(buffer, {"other": np.eye(3), "synsets": array, "text": "abc"}, do_compression=compressed)
    return buffer.getvalue()


@given(st.lists(st.tuples(NUMBER, TEXT, st.just(np.zeros(0)) | NUMBER), min_size=1, max_size=5), st.booleans())
def test_numbers_and_texts_of_structs_are_those_that_scipy_reads(rows, compressed):
    content = saved(rows, compressed)
    usual = loadmat(io.BytesIO(content), squeeze_me=True)["synsets"].reshape(-1)
    found = matlab_structs(content, "synsets")
    assert len(found) == len(rows)
    for ours, theirs in zip(found, usual, strict=True):
        assert [*ours] == [*theirs.dtype.names]
        assert ours["ILSVRC2012_ID"] == theirs["ILSVRC2012_ID"]
        assert ours["WNID"] == theirs["WNID"]
        assert ours["a"] == (theirs["a"] if np.size(theirs["a"]) else None)


def test_the_kits_structs_are_those_that_scipy_reads():
    content = copies.meta_mat()
    usual = loadmat(io.BytesIO(content), squeeze_me=True)["synsets"].reshape(-1)
    names = ("ILSVRC2012_ID", "WNID", "words", "num_children", "wordnet_height")
    found = matlab_structs(content, "synsets")
    assert [[row[n] for n in names] for row in found] == [[row[n] for n in names] for row in usual]


def test_another_array_and_a_damaged_file_are_errors():
    content = saved([(1, "a", 2)], True)
    for name, spoilt in (("none", content), ("other", content), ("synsets", content[:180]), ("synsets", b"text")):
        with pytest.raises(ValueError, match=r"no array|a damaged MATLAB file"):
            matlab_structs(spoilt, name)
