"""Tests of the findings from inspected images: counts, folders, sizes, copies, and the verdict."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from benchsuite import Census, Sample
from benchsuite.doctor.findings import (
    counts,
    duplicates,
    ignored,
    lossy,
    misplaced,
    number_order,
    oddities,
    readable,
    reassessed,
    sizes,
    synset_order,
    verdict,
)
from benchsuite.doctor.inspection import Examined
from benchsuite.doctor.kinds import Finding

NAMES = tuple("abcdefghij")
WHOLE = Census("test", 30, 10, 3, (4, 6))


def samples(n: int = 30) -> tuple[Sample, ...]:
    return tuple(Sample(f"{i:03d}", i % 10, f"/data/{i:03d}.jpg") for i in range(n))


def only(findings: list[Finding]) -> Finding:
    (found,) = findings
    return found


def test_a_whole_copy_is_fine() -> None:
    found = only(counts(samples(), NAMES, WHOLE))
    assert (found.level, found.text) == ("ok", "30 images of 10 classes, 3 of each, as in a complete copy")


@pytest.mark.parametrize(
    ("kept", "words", "example"),
    [
        (samples()[:-1], "29 of 30 images; 1 class with more or fewer than 3 images", "j: 2"),
        (samples(31), "31 of 30 images; 1 class with more or fewer than 3 images", "a: 4"),
        (samples()[:9], "9 of 30 images; 9 of 10 classes; 9 classes with more or fewer than 3 images", "j: 0"),
    ],
)
def test_missing_and_surplus_images_are_counted(kept: Any, words: str, example: str) -> None:
    found = only(counts(kept, NAMES, WHOLE))
    assert found.level == "failed"
    assert found.text.endswith(words)
    assert found.examples[0] == example
    assert found.advice


def test_what_to_do_about_a_wrong_number_depends_on_it() -> None:
    moved = [dataclasses.replace(s, label=3) if s.id == "000" else s for s in samples()]
    advice = [only(counts(kept, NAMES, WHOLE)).advice for kept in (samples(29), samples(31), moved)]
    assert [words.split()[0] for words in advice] == ["Complete", "Remove", "The"]


def relabelled(shift: int, *, wrong: int = -1) -> Finding:
    """What reassessed labels say that accept the label and ``shift`` further on; those of class ``wrong`` the next."""
    lists = {s.id: (s.label, 9) if s.label != wrong else ((s.label + 1) % 10,) for s in samples(300)}
    moved = [dataclasses.replace(s, label=(s.label + shift) % 10) for s in samples(300)]
    kept = [dataclasses.replace(s, real=lists[s.id]) for s in moved]
    census = Census("test", 300, 10, 30, accepted=lambda: lists)
    found = only(reassessed(moved, NAMES, census))
    assert found == only(reassessed(kept, NAMES, None)), "the samples' own lists count as the known ones do"
    return found


def test_reassessed_labels_accept_most_labels_of_the_images_that_they_belong_to() -> None:
    assert relabelled(0).level == "ok"
    assert relabelled(0).text == "the reassessed labels accept the label of 300 of 300 images"
    assert relabelled(1).level == "failed"
    assert relabelled(1).text.endswith("30 of 300 images")
    swapped = relabelled(0, wrong=4)
    assert swapped.level == "failed"
    assert swapped.text.endswith("270 of 300 images, but of hardly any in 1 class")
    assert swapped.examples == ("images labelled e look like f",)


def test_without_reassessed_labels_nothing_is_said_of_them() -> None:
    assert reassessed(samples(), NAMES, WHOLE) == reassessed(samples(), NAMES, None) == []
    assert reassessed([dataclasses.replace(s, real=()) for s in samples()], NAMES, None) == []
    few = [dataclasses.replace(s, real=((s.label + 1) % 10,) if s.label == 1 else (s.label,)) for s in samples()]
    assert only(reassessed(few, NAMES, None)).level == "ok", "three images of a class say nothing of it"


def test_right_numbers_at_wrong_places_fail_too() -> None:
    moved = (Sample("new", 4, ""), *samples()[1:])
    found = only(counts(moved, NAMES, WHOLE))
    assert (found.level, found.examples) == ("failed", ("a: 2", "e: 4"))


def test_a_data_set_that_promises_nothing_is_only_described() -> None:
    assert only(counts(samples(25), NAMES, None)).text.startswith("25 images of 10 classes, 2 to 3 of each;")
    assert only(counts(samples(25), NAMES, Census("test", classes=10))).level == "ok"


def test_files_in_the_folder_of_another_class_are_found() -> None:
    right = [
        Sample("a", 0, "/d/n01440764/n01440764_5.JPEG"),
        Sample("b", 0, "/d/n01440764/ILSVRC2012_val_00000001.JPEG"),
    ]
    assert only(misplaced(right)).text == "name and folder agree for 1 file"
    found = only(misplaced([*right, Sample("c", 1, "/d/n01443537/n01440764_9.JPEG")]))
    assert (found.level, found.examples) == ("failed", ("n01443537/n01440764_9.JPEG",))
    assert misplaced(samples()) == []


def test_folders_of_wordnet_ids_are_in_their_sorted_order() -> None:
    wnids = ["n01440764", "n01443537", "n02000000"]
    right = [Sample(w, label, f"/d/{w}/x.jpg") for w, label in zip(wnids, (0, 4, 70), strict=True)]
    assert only(synset_order(right)).text == "3 folders indexed by sorted WordNet ids"
    for wrong in ((4, 0, 70), (0, 70, 4)):
        moved = [Sample(w, label, f"/d/{w}/x.jpg") for w, label in zip(wnids, wrong, strict=True)]
        assert only(synset_order(moved)).level == "failed"
    torn = only(synset_order([*right, Sample("more", 1, "/d/n01440764/y.jpg")]))
    assert (torn.level, torn.examples) == ("failed", ("n01440764",))
    assert synset_order(samples()) == []


def test_folders_that_are_numbers_are_not_in_the_order_of_text() -> None:
    def labelled(names: list[str], labels: list[int]) -> list[Finding]:
        return number_order([Sample(n, i, f"/d/{n}/x.jpg") for n, i in zip(names, labels, strict=True)])

    assert only(labelled(["0", "2", "10"], [0, 2, 10])).level == "ok"
    assert only(labelled(["001", "002", "010"], [0, 1, 2])).level == "ok"
    found = only(labelled(["0", "10", "2"], [0, 1, 2]))
    assert (found.level, found.examples) == (
        "failed",
        ("folder 2 has the class index 2", "folder 10 has the class index 1"),
    )
    assert labelled(["0", "cat"], [0, 1]) == labelled(["7"], [0]) == []


def test_unreadable_images_fail_with_their_names() -> None:
    seen = [Examined(width=6, height=4, pixels="x")] * 29 + [Examined(error="Expected an image (c.jpg)")]
    found = only(readable(samples(), seen))
    assert (found.level, found.text, found.examples) == (
        "failed",
        "1 image cannot be read",
        ("Expected an image (c.jpg)",),
    )
    assert only(readable(samples(), seen[:29] + seen[:1])).text == "all 30 images fully decoded"
    partly = [Examined(width=6, height=4)] * 29 + [seen[0]]
    assert only(readable(samples(), partly)).text == "all headers read, 1 of 30 images fully decoded"


def test_oddities_are_counted_by_kind_and_fail_nothing() -> None:
    seen = [Examined(mode="RGB", format="JPEG")] * 26
    seen += [Examined(mode="CMYK"), Examined(mode="L", turned=True), Examined(mode="L"), Examined(error="broken")]
    seen[0] = Examined(mode="RGB", format="PNG", misnamed=True)
    found = oddities(samples(), seen)
    assert [(f.level, f.text) for f in found] == [
        ("note", "1 image in mode CMYK, converted to RGB by Pillow"),
        ("note", "2 images in mode L, converted to RGB by Pillow"),
        ("note", "1 image in PNG with the suffix of another format"),
        ("note", "1 image rotated or mirrored by EXIF, which is ignored"),
    ]
    assert found[1].examples == ("data/027.jpg", "data/028.jpg")


def test_sizes_are_those_of_the_data_set_or_described() -> None:
    same = [Examined(width=6, height=4)] * 30
    assert (only(sizes(samples(), same, WHOLE, 4)).level, only(sizes(samples(), same, WHOLE, 4)).text) == (
        "ok",
        "all 6 x 4 pixels",
    )
    wrong = only(sizes(samples(), [*same[:-1], Examined(width=4, height=6)], WHOLE, 4))
    assert (wrong.level, wrong.examples) == ("failed", ("data/029.jpg",))
    assert "1 image not 6 x 4" in wrong.text
    mixed = [Examined(width=100 + i, height=50 + i) for i in range(30)]
    found = only(sizes(samples(), mixed, None, 60))
    assert (
        found.text == "100 x 50 to 129 x 79 pixels, median 114 x 64; "
        "10 images with a side below 60 pixels, enlarged before the crop"
    )
    assert found.level == "note"
    shrinking = mixed[::-1]
    assert only(sizes(samples(), shrinking, None, 60)).examples[0] == "data/029.jpg (100 x 50)"
    assert only(sizes(samples(), mixed, None, 50)).level == "ok"
    assert sizes(samples(), [Examined(error="x")] * 30, None, 50) == []


def test_pictures_that_are_published_as_arrays_are_not_the_same_in_jpeg() -> None:
    seen = [Examined(format="JPEG")] * 3 + [Examined(format="PNG")]
    assert only(lossy(seen, WHOLE)).text == "3 images stored as JPEG, which changed the published pixels"
    assert lossy(seen[3:], WHOLE) == lossy(seen, Census("test", 4)) == lossy(seen, None) == []
    assert lossy(seen, dataclasses.replace(WHOLE, jpeg=True)) == []


def test_copies_are_notes_and_those_of_two_labels_come_first() -> None:
    a, b, c = samples(3)
    twin = Sample("twin", 0, "")
    found = only(duplicates("bytes", [(a, twin), (b, c)]))
    assert found.level == "note"
    assert found.text.startswith("4 images in 2 groups with the same bytes; 1 group with different labels")
    assert found.examples == ("data/001.jpg = data/002.jpg", "data/000.jpg = twin")
    assert (
        only(duplicates("pixels but different bytes", [])).text
        == "no two images with the same pixels but different bytes"
    )


def test_the_verdict_names_what_failed_and_what_is_noted() -> None:
    fine, note, bad = (Finding(c, level, "") for c, level in (("a", "ok"), ("b", "note"), ("c", "failed")))
    assert verdict([fine]) == "Fine."
    assert verdict([fine, note, note]) == "Fine, with notes on b."
    assert verdict([fine, note, bad, bad]) == "Not fine: c failed. Fix this before a long run."
    assert ignored({}) == []
    assert only(ignored({".txt": 1200, "hidden": 1})).text.endswith("1,200 .txt, 1 hidden")
