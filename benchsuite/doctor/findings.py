"""Findings about a data set, from what was read of it. Pure functions; nothing is read here."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median_low

from benchsuite.data.convert import destroyed
from benchsuite.doctor.inspection import JPEGS, Examined
from benchsuite.doctor.kinds import Finding, found
from benchsuite.specs.dataset import AS_PILLOW, Census, Conversion, Sample

WNID = re.compile(r"n\d{8}")
PUBLISHED_MD5 = {"ILSVRC2012_img_val.tar": "29b22e2961454d5413ddabcf34fc5622"}
"""The MD5 of archives, by name, as in torchvision's ``datasets/imagenet.py``."""


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
        return [found("one-class", classes, summary=summary)]
    if census is None:
        return [found("size-unknown", summary=summary)]
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
        return [found("complete", summary=summary)]
    none = [c for c in range(len(classes)) if c not in sizes] if census.classes == len(classes) else []
    examples = tuple(f"{brief(classes[c])}: {sizes[c]:,}" for c in (*none, *uneven))
    n, whole = len(samples), census.images
    kind = "uneven" if n == whole else "surplus" if whole is not None and n > whole else "incomplete"
    return [found(kind, examples, summary=summary, wrong="; ".join(wrong))]


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
        return [found("misplaced", wrong, files=number(len(wrong), "file"))]
    return [found("in-place", files=number(known, "file"))] if known else []


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
        return [found("foreign-labels", agreement=text)]
    odd = [c for c, accepted in sorted(votes.items()) if accepted[c] * 10 <= accepted.total() >= 10]
    if odd:
        names = [looks_like(classes[c], classes[votes[c].most_common(1)[0][0]]) for c in odd]
        return [found("swapped-labels", names, agreement=text, classes=number(len(odd), "class"))]
    return [found("labels-accepted", agreement=text)]


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
        return [found("not-synset-order", odd)]
    return [found("synset-order", folders=number(len(order), "folder"))] if order else []


def number_order(samples: Sequence[Sample]) -> list[Finding]:
    """Whether class folders named by numbers are indexed in the order of these numbers, which is not that of text."""
    labels = {_place(s)[0]: s.label for s in samples}
    if len(labels) < 2 or not all(name.isdecimal() for name in labels):
        return []
    by_label, by_number = (sorted(labels, key=key) for key in (lambda n: labels[n], int))
    if by_label == by_number:
        return [found("number-order", folders=number(len(labels), "folder"))]
    return [
        found(
            "not-number-order",
            [
                f"folder {name} has the class index {labels[name]}"
                for name in by_number
                if labels[name] != by_number.index(name)
            ],
        )
    ]


def readable(samples: Sequence[Sample], examined: Sequence[Examined]) -> list[Finding]:
    """Images that cannot be read to their end, and how many were fully decoded to find out."""
    broken = [e.error for e in examined if e.error]
    decoded = sum(bool(e.pixels) for e in examined)
    if broken:
        return [found("unreadable", broken, images=number(len(broken), "image"))]
    images = number(len(samples), "image")
    return [found("all-decoded" if decoded == len(samples) else "some-decoded", images=images, decoded=decoded)]


def warned(samples: Sequence[Sample], examined: Sequence[Examined], *, asked: bool) -> list[Finding]:
    """JPEG files that decode with a warning. ``asked``: whether the library that tells them is installed."""
    jpegs = sum(e.format in JPEGS for e in examined)
    if not jpegs:
        return []
    if not asked:
        return [found("warnings-unknown")]
    odd = [f"{_file(s)}: {e.warning}" for s, e in zip(samples, examined, strict=True) if e.warning]
    if not odd:
        return [found("no-warning", files=number(jpegs, "JPEG file"))]
    return [found("warned", odd, images=number(len(odd), "image"))]


def published_archive(name: str, digest: str) -> list[Finding]:
    """Whether an archive that was published with an MD5 still has it."""
    published = PUBLISHED_MD5[name]
    kind = "archive-as-published" if digest == published else "archive-differs"
    return [found(kind, name=name, digest=digest, published=published)]


def lossy(examined: Sequence[Examined], census: Census | None) -> list[Finding]:
    """JPEG files of a data set of fixed image size, which was published as plain arrays: JPEG changes the pixels."""
    n = sum(e.format == "JPEG" for e in examined)
    if not n or census is None or census.size is None or census.jpeg:
        return []
    return [found("stored-as-jpeg", images=number(n, "image"))]


def oddities(
    samples: Sequence[Sample], examined: Sequence[Examined], conversion: Conversion = AS_PILLOW
) -> list[Finding]:
    """What is unusual about readable files: modes other than RGB, suffixes of another format, rotation by EXIF."""
    scaled, ground = conversion.depth == "scale", conversion.alpha
    values = {
        "other-mode": [e.mode if e.mode != "RGB" and not destroyed(e.mode) else "" for e in examined],
        "deep-grey": [e.mode if scaled and destroyed(e.mode) else "" for e in examined],
        "deep-scaled" if scaled else "deep-cut": ["16 bits a colour" if e.deep else "" for e in examined],
        "alpha-dropped" if ground == "drop" else "alpha-blended": ["transparency" if e.clear else "" for e in examined],
        "misnamed": [e.format if e.misnamed else "" for e in examined],
        "turned": ["EXIF" if e.turned else "" for e in examined],
    }
    findings = []
    for kind, each in values.items():
        for value in sorted(set(each) - {""}):
            names = [_file(s) for s, v in zip(samples, each, strict=True) if v == value]
            findings.append(found(kind, names, images=number(len(names), "image"), value=value, ground=ground))
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
            rule, images = "{1} x {0}".format(*census.size), number(len(odd), "image")
            return [found("other-size", odd, sizes=text, images=images, rule=rule)]
        return [found("sizes", sizes=text)]
    small = sorted((e.width * e.height, _file(s), e) for s, e in seen if min(e.width, e.height) < crop)
    if small:
        names = [f"{name} ({e.width} x {e.height})" for _, name, e in small]
        return [found("enlarged", names, sizes=text, images=number(len(small), "image"), crop=crop)]
    return [found("sizes", sizes=text)]


def duplicates(what: str, groups: Sequence[tuple[Sample, ...]]) -> list[Finding]:
    """Images that exist more than once. ``what`` they share: bytes, or pixels but not bytes."""
    if not groups:
        return [found("distinct", what=what)]
    conflicting = [group for group in groups if len({s.label for s in group}) > 1]
    text = f"{number(sum(len(g) for g in groups), 'image')} in {number(len(groups), 'group')} with the same {what}"
    if conflicting:
        text += f"; {number(len(conflicting), 'group')} with different labels, of which at most one can be right"
    examples = tuple(
        " = ".join(map(_file, group)) for group in (*conflicting, *(g for g in groups if g not in conflicting))
    )
    return [found("duplicates", examples, copies=text)]


def ignored(others: Mapping[str, int]) -> list[Finding]:
    """Files next to the images that are not samples."""
    if not others:
        return []
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(others.items()))
    return [found("ignored", kinds=kinds)]


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
