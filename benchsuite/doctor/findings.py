"""Findings about a data set, from what was read of it. Pure functions; nothing is read here."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Literal

from benchsuite.data.convert import destroyed
from benchsuite.doctor.inspection import JPEGS, Examined
from benchsuite.specs.dataset import AS_PILLOW, Census, Conversion, Sample

WNID = re.compile(r"n\d{8}")
PUBLISHED_MD5 = {"ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622"}
"""The MD5 of archives, by name, as in torchvision's ``datasets/imagenet.py``."""

Severity = Literal["ok", "note", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, what to do about it, and the files or classes that it is about."""

    check: str
    level: Severity
    text: str
    advice: str = ""
    examples: tuple[str, ...] = ()


def verdict(findings: Sequence[Finding]) -> str:
    """One sentence: fine, fine with notes, or not fine and why."""
    failed = [f.check for f in findings if f.level == "failed"]
    notes = [f.check for f in findings if f.level == "note"]
    if failed:
        return f"Not fine: {' and '.join(dict.fromkeys(failed))} failed. Fix this before a long run."
    return f"Fine, with notes on {', '.join(dict.fromkeys(notes))}." if notes else "Fine."


def counts(samples: Sequence[Sample], classes: Sequence[str], census: Census | None) -> list[Finding]:
    """The numbers of images and classes, compared with those of a complete copy."""
    sizes = Counter(s.label for s in samples)
    few, many = min(sizes.values()), max(sizes.values())
    spread = f"{few:,}" if few == many else f"{few:,} to {many:,}"
    summary = f"{number(len(samples), 'image')} of {number(len(sizes), 'class')}, {spread} of each"
    if len(classes) < 2:
        advice = "Put the images into a folder for each class, and let PATH hold these folders"
        return [Finding("counts", "failed", f"{summary}: with one class every answer is right", advice, tuple(classes))]
    if census is None:
        return [Finding("counts", "ok", f"{summary}; the data set does not say how many a complete copy has")]
    wrong = [
        f"{have:,} of {whole:,} {what}"
        for have, whole, what in (
            (len(samples), census.images, "images"),
            (len(sizes), census.classes, "classes"),
        )
        if whole not in (None, have)
    ]
    uneven = [c for c in sorted(sizes) if census.each is not None and sizes[c] != census.each]
    if uneven:
        wrong.append(f"{number(len(uneven), 'class')} with more or fewer than {census.each:,} images")
    if not wrong:
        return [Finding("counts", "ok", f"{summary}, as in a complete copy")]
    none = [c for c in range(len(classes)) if c not in sizes] if census.classes == len(classes) else []
    examples = tuple(f"{brief(classes[c])}: {sizes[c]:,}" for c in (*none, *uneven))
    return [Finding("counts", "failed", f"{summary}: {'; '.join(wrong)}", _recount(len(samples), census), examples)]


def _recount(n: int, census: Census) -> str:
    """What to do about a wrong number of images, or about a right one with some images in wrong classes."""
    if n == census.images:
        return "The total is right, so some images are in folders of other classes: unpack the archive again"
    if census.images is not None and n > census.images:
        return "Remove the images that do not belong to the data set, or check that you named the right one"
    return (
        "Complete the copy: unpack the archive again and compare the number of files. Error rates on a part of the "
        "data set cannot be compared with published ones"
    )


def misplaced(samples: Sequence[Sample]) -> list[Finding]:
    """Files whose names begin with a WordNet id that is not their folder's.

    The names of ImageNet's training files begin with the WordNet id of their class; other files are not checked.
    """
    wrong, known = [], 0
    for sample in samples:
        folder, name = _place(sample)
        own = WNID.match(name)
        if own and WNID.fullmatch(folder):
            known += 1
            if own[0] != folder:
                wrong.append(f"{folder}/{name}")
    if wrong:
        text = f"{number(len(wrong), 'file')} with a name that begins with the WordNet id of another folder"
        advice = "Move each file to the folder of the WordNet id in its name, or unpack the archive again"
        return [Finding("folders", "failed", text, advice, tuple(wrong))]
    return [Finding("folders", "ok", f"name and folder agree for {number(known, 'file')}")] if known else []


def reassessed(samples: Sequence[Sample], classes: Sequence[str], census: Census | None) -> list[Finding]:
    """Whether the reassessed labels accept the labels of most images. Those of a sample come before the census's.

    Reassessed and published labels differ for single images, but not for most images of a class.
    """
    known = census.accepted() if census is not None and census.accepted is not None else {}
    reassessed_labels = {s.id: tuple(known.get(s.id, ()) if s.real is None else s.real) for s in samples}
    votes: dict[int, Counter[int]] = {}
    agree, n = 0, 0
    for sample in samples:
        if accepted := reassessed_labels[sample.id]:
            agree, n = agree + (sample.label in accepted), n + 1
            votes.setdefault(sample.label, Counter()).update(accepted)
    if not n:
        return []
    text = f"the reassessed labels accept the label of {agree:,} of {number(n, 'image')}"
    if agree * 2 < n:
        advice = "The labels do not belong to these images: get the labels again, or check whether files were renamed"
        return [Finding("labels", "failed", text, advice)]
    odd = [c for c, accepted in sorted(votes.items()) if accepted[c] * 10 <= accepted.total() >= 10]
    if odd:
        names = tuple(looks_like(classes[c], classes[votes[c].most_common(1)[0][0]]) for c in odd)
        text += f", but of hardly any in {number(len(odd), 'class')}"
        return [
            Finding("labels", "failed", text, "Look at the images of these classes: their labels may be swapped", names)
        ]
    return [Finding("labels", "ok", text)]


def synset_order(samples: Sequence[Sample]) -> list[Finding]:
    """Whether class folders named by WordNet ids are indexed in the order of these ids, as every network expects."""
    labels: dict[str, set[int]] = {}
    for sample in samples:
        folder, _ = _place(sample)
        if WNID.fullmatch(folder):
            labels.setdefault(folder, set()).add(sample.label)
    order = [sorted(labels[name]) for name in sorted(labels)]
    odd = [name for name in sorted(labels) if len(labels[name]) > 1]
    if odd or order != sorted(order):
        text = "the class indices do not follow the sorted WordNet ids of the folders"
        return [
            Finding(
                "class order", "failed", text, "Number the classes in the order of their sorted WordNet ids", tuple(odd)
            )
        ]
    return (
        [Finding("class order", "ok", f"{number(len(order), 'folder')} indexed by sorted WordNet ids")] if order else []
    )


def number_order(samples: Sequence[Sample]) -> list[Finding]:
    """Whether class folders named by numbers are indexed in the order of these numbers, which is not that of text."""
    labels = {_place(s)[0]: s.label for s in samples}
    if len(labels) < 2 or not all(name.isdecimal() for name in labels):
        return []
    by_label, by_number = (sorted(labels, key=key) for key in (lambda n: labels[n], int))
    if by_label == by_number:
        return [Finding("class order", "ok", f"{number(len(labels), 'folder')} indexed in the order of their numbers")]
    text = "the folders are named by numbers but not indexed in their order: sorted as text, 10 comes before 2"
    advice = "Add leading zeros to the names; for ImageNet-V2, use imagenet-v2:PATH instead"
    odd = tuple(
        f"folder {name} has the class index {labels[name]}"
        for name in by_number
        if labels[name] != by_number.index(name)
    )
    return [Finding("class order", "failed", text, advice, odd)]


def readable(samples: Sequence[Sample], examined: Sequence[Examined]) -> list[Finding]:
    """Images that cannot be read to their end, and how many were fully decoded to find out."""
    broken = [e.error for e in examined if e.error]
    decoded = sum(bool(e.pixels) for e in examined)
    if broken:
        text = f"{number(len(broken), 'image')} cannot be read"
        advice = "Replace these files from the archive: a run stops at the first one"
        return [Finding("images", "failed", text, advice, tuple(broken))]
    if decoded == len(samples):
        return [Finding("images", "ok", f"all {number(decoded, 'image')} fully decoded")]
    text = f"all headers read, {decoded:,} of {number(len(samples), 'image')} fully decoded"
    return [Finding("images", "ok", text, "Use --full to decode every image and to compare the pixels too")]


def warned(samples: Sequence[Sample], examined: Sequence[Examined], *, asked: bool) -> list[Finding]:
    """JPEG files that decode with a warning. ``asked``: whether the library that tells them is installed."""
    jpegs = sum(e.format in JPEGS for e in examined)
    if not jpegs:
        return []
    if not asked:
        advice = "pip install 'benchsuite[jpeg]' to count JPEG files that decode with a warning"
        return [Finding("images", "skipped", "the warnings of the JPEG decoder were not counted", advice)]
    odd = tuple(f"{_file(s)}: {e.warning}" for s, e in zip(samples, examined, strict=True) if e.warning)
    if not odd:
        return [Finding("images", "ok", f"no warning from {number(jpegs, 'JPEG file')}")]
    text = f"{number(len(odd), 'image')} decoded with a warning of the JPEG decoder: the pixels may be damaged"
    advice = "Compare these files with another copy, and replace those that differ: some sound files have a warning too"
    return [Finding("images", "note", text, advice, odd)]


def published_archive(name: str, digest: str) -> list[Finding]:
    """Whether an archive that was published with an MD5 still has it."""
    if digest == PUBLISHED_MD5[name]:
        return [Finding("archive", "ok", f"{name} has the published MD5")]
    text = f"{name} has the MD5 {digest}, but was published with {PUBLISHED_MD5[name]}"
    return [Finding("archive", "failed", text, "Get the archive again, or give one of your own another name")]


def lossy(examined: Sequence[Examined], census: Census | None) -> list[Finding]:
    """JPEG files of a data set of fixed image size, which was published as plain arrays: JPEG changes the pixels."""
    n = sum(e.format == "JPEG" for e in examined)
    if not n or census is None or census.size is None or census.jpeg:
        return []
    advice = "Compare results on this copy only with each other, or get the original arrays"
    return [
        Finding("formats", "note", f"{number(n, 'image')} stored as JPEG, which changed the published pixels", advice)
    ]


def oddities(
    samples: Sequence[Sample], examined: Sequence[Examined], conversion: Conversion = AS_PILLOW
) -> list[Finding]:
    """What is unusual about readable files: modes other than RGB, suffixes of another format, rotation by EXIF."""
    scaled, ground = conversion.depth == "scale", conversion.alpha
    drop = "{}, which is dropped: hidden colours show" if ground == "drop" else f"{{}}, put on {ground}"
    kinds = (
        (
            "colours",
            "in mode {}, converted to RGB by Pillow",
            [e.mode if e.mode != "RGB" and not destroyed(e.mode) else "" for e in examined],
        ),
        ("colours", "in mode {}, scaled to 8 bits", [e.mode if scaled and destroyed(e.mode) else "" for e in examined]),
        (
            "colours",
            "of {}, scaled to 8" if scaled else "of {}, of which the upper 8 are read",
            ["16 bits a colour" if e.deep else "" for e in examined],
        ),
        ("colours", f"with {drop}", ["transparency" if e.clear else "" for e in examined]),
        ("formats", "in {} with the suffix of another format", [e.format if e.misnamed else "" for e in examined]),
        (
            "orientation",
            "rotated or mirrored by EXIF, which is ignored",
            ["EXIF" if e.turned else "" for e in examined],
        ),
    )
    findings = []
    for check, words, values in kinds:
        for value in sorted(set(values) - {""}):
            names = tuple(_file(s) for s, v in zip(samples, values, strict=True) if v == value)
            text = f"{number(len(names), 'image')} {words.format(value)}"
            findings.append(Finding(check, "note", text, "", names))
    return findings


def sizes(samples: Sequence[Sample], examined: Sequence[Examined], census: Census | None, crop: int) -> list[Finding]:
    """Sizes of the smallest, the median and the largest image, and the images that are smaller than a crop."""
    seen = [(s, e) for s, e in zip(samples, examined, strict=True) if not e.error]
    if not seen:
        return []
    area = sorted((e.width * e.height, e.width, e.height) for _, e in seen)
    low, middle, high = (f"{w} x {h}" for _, w, h in (area[0], median_low(area), area[-1]))
    same = area[0][1:] == area[-1][1:] and low == high
    text = f"all {low} pixels" if same else f"{low} to {high} pixels, median {middle}"
    if census is not None and census.size is not None:
        odd = tuple(_file(s) for s, e in seen if (e.height, e.width) != census.size)
        if odd:
            rule = "{1} x {0}".format(*census.size)
            advice = "These are not the original images of the data set: get it again"
            return [
                Finding("sizes", "failed", f"{text}; {number(len(odd), 'image')} not {rule}", advice, odd),
            ]
        return [Finding("sizes", "ok", text)]
    small = sorted((e.width * e.height, _file(s), e) for s, e in seen if min(e.width, e.height) < crop)
    if small:
        words = f"{text}; {number(len(small), 'image')} with a side below {crop} pixels, enlarged before the crop"
        names = tuple(f"{name} ({e.width} x {e.height})" for _, name, e in small)
        return [Finding("sizes", "note", words, "", names)]
    return [Finding("sizes", "ok", text)]


def duplicates(what: str, groups: Sequence[tuple[Sample, ...]]) -> list[Finding]:
    """Images that exist more than once. ``what`` they share: bytes, or pixels but not bytes."""
    if not groups:
        return [Finding("duplicates", "ok", f"no two images with the same {what}")]
    conflicting = [group for group in groups if len({s.label for s in group}) > 1]
    text = f"{number(sum(len(g) for g in groups), 'image')} in {number(len(groups), 'group')} with the same {what}"
    if conflicting:
        text += f"; {number(len(conflicting), 'group')} with different labels, of which at most one can be right"
    examples = tuple(
        " = ".join(map(_file, group)) for group in (*conflicting, *(g for g in groups if g not in conflicting))
    )
    advice = (
        "Copies count twice. Remove them from a data set of your own; in a published one, keep them and report them"
    )
    return [Finding("duplicates", "note", text, advice, examples)]


def ignored(others: Mapping[str, int]) -> list[Finding]:
    """Files next to the images that are not samples."""
    if not others:
        return []
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(others.items()))
    return [Finding("folders", "note", f"other files next to the images, which are ignored: {kinds}")]


def brief(name: str) -> str:
    """The first of the readable names of a class."""
    return name.partition(",")[0]


def looks_like(label: str, other: str) -> str:
    """An example of a class whose images look like another one."""
    return f"images labelled {brief(label)} look like {brief(other)}"


def _file(sample: Sample) -> str:
    """The name by which a user finds a sample: ``FOLDER/NAME`` for a file whose id lacks the folder, else the id."""
    folder, name = _place(sample)
    return f"{folder}/{name}" if name.startswith(sample.id) else sample.id


def _place(sample: Sample) -> tuple[str, str]:
    """The folder and the name of a sample's file. Without pathlib, which takes seconds for 50,000 samples."""
    folder, _, name = sample.where.rpartition(os.sep)
    return folder.rpartition(os.sep)[2], name


def number(count: int, noun: str) -> str:
    """``1 image``, ``50,000 images``, ``2 classes``."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
