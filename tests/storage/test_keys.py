"""Tests of keys: the same question has the same key on every machine."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import re
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import Crop, Perturbation, Sample, Split, View
from benchsuite.storage.keys import (
    canonical,
    chunk_key,
    digest,
    digest_lines,
    fingerprint,
    run_id,
    samples_digest,
    view_key,
    view_keys,
)

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_a_value_is_the_same_after_its_canonical_text(value: object) -> None:
    assert canonical(json.loads(canonical(value))) == canonical(value)


@given(st.dictionaries(st.text(max_size=5), st.integers(), max_size=5))
def test_the_order_of_keys_does_not_matter(value: dict[str, int]) -> None:
    assert digest(dict(reversed(value.items()))) == digest(value)


def test_a_digest_is_sha256_of_the_canonical_json() -> None:
    """The text is written out by hand; its SHA-256 is hashlib's."""
    text = '{"a":[1,2.5,null],"b":"ü","c":true}'
    value = {"c": True, "b": "ü", "a": (1, 2.5, None)}
    assert canonical(value) == text
    assert digest(value) == hashlib.sha256(text.encode("utf-8")).hexdigest()


def test_different_questions_have_different_keys() -> None:
    questions = [{"a": 1}, {"a": 1.5}, {"a": "1"}, {"a": None}, {"b": 1}, {"a": [1]}, {"a": True}, [{"a": 1}]]
    assert len({digest(q) for q in questions}) == len(questions)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_without_a_json_form_has_no_key(value: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        digest({"a": value})


def test_lines_are_digested_with_their_ends() -> None:
    assert digest_lines(["ab", "c"]) == hashlib.sha256(b"ab\nc\n").hexdigest()
    assert len({digest_lines(lines) for lines in (["ab"], ["a", "b"], ["ab", ""], [])}) == 4


def test_a_key_is_the_same_in_another_process_with_another_hash_seed() -> None:
    program = "from benchsuite.storage.keys import digest; print(digest({'b': [1, 'x'], 'a': {'d': 0.1, 'c': None}}))"
    runs = [
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout.strip()
        for seed in ("1", "2")
    ]
    assert runs == [digest({"a": {"c": None, "d": 0.1}, "b": [1, "x"]})] * 2


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_a_run_id_can_be_a_folders_name(architecture: str, protocol: str, dataset: str) -> None:
    name = run_id(architecture, protocol, dataset, {"q": 1})
    assert re.fullmatch(r"[A-Za-z0-9._-]+", name)
    assert len(name) <= 3 * 40 + 15
    assert name.endswith("-" + digest({"q": 1})[:12])


def test_a_run_id_reads_as_what_was_run() -> None:
    name = run_id("timm:resnet50.a1_in1k", "multiscale:flip=false,scales=224+256", "digits", 1)
    assert name == f"timm_resnet50.a1_in1k-multiscale_flip_false_scales_224_256-digits-{digest(1)[:12]}"


SAMPLES = [Sample("a", 0, "a.jpg", "100@1"), Sample("b", 1, "b.jpg", "100@1")]


def plain(sample: Sample) -> str:
    return sample.where


def other(sample: Sample) -> str:
    return sample.where[::-1]


def split(name: str, read: object = plain) -> Split:
    return Split(name, tuple(SAMPLES), ("x", "y"), True, read)  # type: ignore[arg-type]


def test_a_chunk_is_another_one_when_an_image_changes_and_not_when_a_label_does() -> None:
    kept = chunk_key(SAMPLES, split("one"))
    assert kept != chunk_key([SAMPLES[0], dataclasses.replace(SAMPLES[1], stamp="100@2")], split("one"))
    assert kept == chunk_key([dataclasses.replace(s, label=1 - s.label) for s in SAMPLES], split("one"))


def test_an_attacked_view_is_another_one_when_a_label_changes() -> None:
    """Its pixels follow the label; those of other views do not."""
    plain_view = View(256, Crop(224))
    views = [plain_view]
    for needs in ("pixels", "ids", "gradient"):
        change = Perturbation("p", "package.module:change", needs=needs)  # type: ignore[arg-type]
        views.append(dataclasses.replace(plain_view, perturbation=change))
    relabelled = [dataclasses.replace(s, label=1 - s.label) for s in SAMPLES]
    before, after = view_keys(views, SAMPLES), view_keys(views, relabelled)
    assert [v for v in views if before[v] != after[v]] == [views[-1]]
    assert [before[v] for v in views[:-1]] == [view_key(v) for v in views[:-1]]
    assert len({*before.values(), *after.values()}) == len(views) + 1


def test_an_image_without_a_stamp_is_told_by_where_it_lies() -> None:
    here, there = ([dataclasses.replace(s, stamp="", where=w) for s in SAMPLES] for w in ("here", "there"))
    assert chunk_key(here, split("one")) != chunk_key(there, split("one"))


def test_data_sets_share_the_chunks_of_one_plain_reader_and_no_others() -> None:
    """imagenet and imagenet-real read the same files; a closure is a reader of its own."""
    assert chunk_key(SAMPLES, split("one")) == chunk_key(SAMPLES, split("two"))
    assert chunk_key(SAMPLES, split("one")) != chunk_key(SAMPLES, split("one", other))
    for read in (lambda sample: sample.where, functools.partial(plain), "".join):
        keys = {chunk_key(SAMPLES, split(name, read)) for name in ("one", "two")}
        assert len(keys) == 2
        assert chunk_key(SAMPLES, split("one")) not in keys


def test_a_digest_of_samples_is_of_ids_labels_and_content_and_of_reassessed_labels_where_wanted() -> None:
    plain = [Sample("a", 0, "/here/a", "12@now"), Sample("b", 1, "/here/b", "34@now")]
    elsewhere = [Sample("a", 0, "/there/a", "12@then"), Sample("b", 1, "/there/b", "34@then")]
    assert samples_digest(plain) == samples_digest(elsewhere)
    assert fingerprint(plain) != fingerprint(elsewhere)
    for other in (Sample("c", 1, "/here/b", "34"), Sample("b", 0, "/here/b", "34"), Sample("b", 1, "/here/b", "35")):
        assert samples_digest([plain[0], other]) != samples_digest(plain)
    judged = [dataclasses.replace(s, real=(s.label, 7)) for s in plain]
    assert samples_digest(judged) != samples_digest(plain)
    assert samples_digest(judged, real=False) == samples_digest(plain) == samples_digest(plain, real=False)
