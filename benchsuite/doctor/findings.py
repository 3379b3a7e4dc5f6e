"""What is wrong with a data set, in plain words: findings from what was seen. Pure functions; nothing is read here."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Literal

from benchsuite.doctor.inspection import Examined
from benchsuite.specs.dataset import Census, Sample

WNID = re.compile(r"n\d{8}")

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
    """One sentence: fine, fine but, or not fine and why."""
    failed = [f.check for f in findings if f.level == "failed"]
    notes = [f.check for f in findings if f.level == "note"]
    if failed:
        return f"Not fine: {' and '.join(dict.fromkeys(failed))} failed. Mend this before a long run."
    return f"Fine, with notes on {', '.join(dict.fromkeys(notes))}." if notes else "Fine."


def counts(samples: Sequence[Sample], classes: Sequence[str], census: Census | None) -> list[Finding]:
    """How many images and classes there are, beside what a whole copy holds."""
    sizes = Counter(s.label for s in samples)
    few, many = min(sizes.values()), max(sizes.values())
    spread = f"{few:,}" if few == many else f"{few:,} to {many:,}"
    there = f"{number(len(samples), 'image')} of {number(len(sizes), 'class')}, {spread} of each"
    if census is None:
        return [Finding("counts", "ok", f"{there}; the data set does not say what a whole copy holds")]
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
        wrong.append(f"{number(len(uneven), 'class')} without {census.each:,} images")
    if not wrong:
        return [Finding("counts", "ok", f"{there}, as in a whole copy")]
    none = [c for c in range(len(classes)) if c not in sizes] if census.classes == len(classes) else []
    examples = tuple(f"{brief(classes[c])}: {sizes[c]:,}" for c in (*none, *uneven))
    return [Finding("counts", "failed", f"{there}: {'; '.join(wrong)}", _recount(len(samples), census), examples)]


def _recount(n: int, census: Census) -> str:
    """What to do about a number of images, or about one that is right with some of them in wrong classes."""
    if n == census.images:
        return "As many images as in a whole copy, so some lie in the folder of another class: unpack the archive again"
    if census.images is not None and n > census.images:
        return "Take away what is not of the data set, or see whether this is the one that you mean"
    return (
        "Complete the copy: unpack the archive again and compare the number of files. On a part of the data set, error "
        "rates cannot be held against published ones"
    )


def misplaced(samples: Sequence[Sample]) -> list[Finding]:
    """Files whose names begin with another WordNet id than that of their folder, as ImageNet's training files do."""
    wrong, known = [], 0
    for sample in samples:
        folder, name = _place(sample)
        own = WNID.match(name)
        if own and WNID.fullmatch(folder):
            known += 1
            if own[0] != folder:
                wrong.append(f"{folder}/{name}")
    if wrong:
        text = f"{number(len(wrong), 'file')} named after another class than their folder"
        advice = "Move them to the folder of their name, or unpack the archive again"
        return [Finding("folders", "failed", text, advice, tuple(wrong))]
    return [Finding("folders", "ok", f"{number(known, 'file')} in the folder of the name")] if known else []


def reassessed(samples: Sequence[Sample], classes: Sequence[str], census: Census | None) -> list[Finding]:
    """Whether reassessed labels, those of the samples or the known ones, accept the labels of most images.

    They differ from published labels for single images, but not for most of a class.
    """
    known = census.accepted() if census is not None and census.accepted is not None else {}
    told = {s.id: tuple(known.get(s.id, ()) if s.real is None else s.real) for s in samples}
    votes: dict[int, Counter[int]] = {}
    agree, n = 0, 0
    for sample in samples:
        if accepted := told[sample.id]:
            agree, n = agree + (sample.label in accepted), n + 1
            votes.setdefault(sample.label, Counter()).update(accepted)
    if not n:
        return []
    text = f"the reassessed labels accept those of {agree:,} of {number(n, 'image')}"
    if agree * 2 < n:
        advice = "Labels and images do not belong together: get the labels again, or see whether files were renamed"
        return [Finding("labels", "failed", text, advice)]
    odd = [c for c, found in sorted(votes.items()) if found[c] * 10 <= found.total() >= 10]
    if odd:
        names = tuple(f"{brief(classes[c])} looks like {brief(classes[votes[c].most_common(1)[0][0]])}" for c in odd)
        text += f", but hardly any of {number(len(odd), 'class')}"
        return [Finding("labels", "failed", text, "Look at these classes: they may have changed places", names)]
    return [Finding("labels", "ok", text)]


def synset_order(samples: Sequence[Sample]) -> list[Finding]:
    """Class folders named by WordNet ids are indexed in the order of these ids, as every network expects."""
    labels: dict[str, set[int]] = {}
    for sample in samples:
        folder, _ = _place(sample)
        if WNID.fullmatch(folder):
            labels.setdefault(folder, set()).add(sample.label)
    order = [sorted(labels[name]) for name in sorted(labels)]
    odd = [name for name in sorted(labels) if len(labels[name]) > 1]
    if odd or order != sorted(order):
        text = "the labels do not follow the sorted WordNet ids of the folders"
        return [Finding("class order", "failed", text, "Label images by the rank of their WordNet id", tuple(odd))]
    return (
        [Finding("class order", "ok", f"{number(len(order), 'folder')} indexed by sorted WordNet ids")] if order else []
    )


def number_order(samples: Sequence[Sample]) -> list[Finding]:
    """Class folders named by numbers are indexed in the order of these numbers, which is not that of text."""
    labels = {_place(s)[0]: s.label for s in samples}
    if len(labels) < 2 or not all(name.isdecimal() for name in labels):
        return []
    by_label, by_number = (sorted(labels, key=key) for key in (lambda n: labels[n], int))
    if by_label == by_number:
        return [Finding("class order", "ok", f"{number(len(labels), 'folder')} indexed in the order of their numbers")]
    text = "the folders are numbers, but are indexed in the order of text, in which 10 comes before 2"
    advice = "Give the names leading zeros; the numbered folders of ImageNet-V2 are read as imagenet-v2:PATH"
    odd = tuple(f"{name} has the index {labels[name]}" for name in by_number if labels[name] != by_number.index(name))
    return [Finding("class order", "failed", text, advice, odd)]


def readable(samples: Sequence[Sample], examined: Sequence[Examined]) -> list[Finding]:
    """Files that cannot be read to their end, and how many were decoded to know that."""
    broken = [e.error for e in examined if e.error]
    decoded = sum(bool(e.pixels) for e in examined)
    if broken:
        text = f"{number(len(broken), 'image')} cannot be read"
        advice = "Replace these files from the archive; a run stops at the first of them"
        return [Finding("images", "failed", text, advice, tuple(broken))]
    if decoded == len(samples):
        return [Finding("images", "ok", f"all {number(decoded, 'image')} decoded whole")]
    text = f"every header read, {decoded:,} of {number(len(samples), 'image')} decoded whole"
    return [Finding("images", "ok", text, "--full decodes every image, and compares their pixels too")]


def lossy(examined: Sequence[Examined], census: Census | None) -> list[Finding]:
    """Pictures of a fixed size, which are published as plain arrays, in files that do not keep their pixels."""
    n = sum(e.format == "JPEG" for e in examined)
    if not n or census is None or census.size is None:
        return []
    advice = "Compare what is measured on it only with itself, or get the original arrays"
    return [Finding("formats", "note", f"{number(n, 'image')} in JPEG, which has changed the published pixels", advice)]


def oddities(samples: Sequence[Sample], examined: Sequence[Examined]) -> list[Finding]:
    """What is unusual about files that can be read: other colours than RGB, other formats, pictures on their side."""
    kinds = (
        ("colours", "in {}, converted to RGB as Pillow does", [e.mode if e.mode != "RGB" else "" for e in examined]),
        ("formats", "in {} by the name of another format", [e.format if e.misnamed else "" for e in examined]),
        ("orientation", "turned by EXIF, taken as stored", ["EXIF" if e.turned else "" for e in examined]),
    )
    found = []
    for check, words, values in kinds:
        for value in sorted(set(values) - {""}):
            names = tuple(_file(s) for s, v in zip(samples, values, strict=True) if v == value)
            text = f"{number(len(names), 'image')} {words.format(value)}"
            found.append(Finding(check, "note", text, "", names))
    return found


def sizes(samples: Sequence[Sample], examined: Sequence[Examined], census: Census | None, crop: int) -> list[Finding]:
    """Smallest, middle and largest image, and those that a crop has to be enlarged for."""
    seen = [(s, e) for s, e in zip(samples, examined, strict=True) if not e.error]
    if not seen:
        return []
    area = sorted((e.width * e.height, e.width, e.height) for _, e in seen)
    low, middle, high = (f"{w} x {h}" for _, w, h in (area[0], median_low(area), area[-1]))
    text = f"all {low}" if area[0][1:] == area[-1][1:] and low == high else f"{low} to {high}, half of them to {middle}"
    if census is not None and census.size is not None:
        odd = tuple(_file(s) for s, e in seen if (e.height, e.width) != census.size)
        if odd:
            rule = "{1} x {0}".format(*census.size)
            advice = "These are not the files of the data set: get it again"
            return [
                Finding("sizes", "failed", f"{text}; {number(len(odd), 'image')} not {rule}", advice, odd),
            ]
        return [Finding("sizes", "ok", text)]
    small = sorted((e.width * e.height, _file(s), e) for s, e in seen if min(e.width, e.height) < crop)
    if small:
        words = f"{text}; {number(len(small), 'image')} with a side below {crop} pixels, enlarged for a crop"
        names = tuple(f"{name} ({e.width} x {e.height})" for _, name, e in small)
        return [Finding("sizes", "note", words, "", names)]
    return [Finding("sizes", "ok", text)]


def duplicates(what: str, groups: Sequence[tuple[Sample, ...]]) -> list[Finding]:
    """Images that are there more than once; ``what`` is the same of them: bytes, or pixels in other bytes."""
    if not groups:
        return [Finding("duplicates", "ok", f"no two images of the same {what}")]
    torn = [group for group in groups if len({s.label for s in group}) > 1]
    text = f"{number(sum(len(g) for g in groups), 'image')} share their {what} with another"
    if torn:
        text += f"; {number(len(torn), 'group')} under different labels, of which one at most is right"
    examples = tuple(" = ".join(map(_file, group)) for group in (*torn, *(g for g in groups if g not in torn)))
    advice = "Copies count twice. Remove them from a set of your own; in a published one, leave them and say so"
    return [Finding("duplicates", "note", text, advice, examples)]


def ignored(others: Mapping[str, int]) -> list[Finding]:
    """Files beside the images that are no samples."""
    if not others:
        return []
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(others.items()))
    return [Finding("folders", "note", f"files beside the images that are not counted: {kinds}")]


def brief(name: str) -> str:
    """The first of the readable names of a class."""
    return name.partition(",")[0]


def _file(sample: Sample) -> str:
    """A sample as a user finds it: ``FOLDER/NAME`` for a file whose id does not say its folder."""
    folder, name = _place(sample)
    return f"{folder}/{name}" if name.startswith(sample.id) else sample.id


def _place(sample: Sample) -> tuple[str, str]:
    """The folder and the name of a sample's file. By hand: of 50,000 samples, pathlib would take seconds."""
    folder, _, name = sample.where.rpartition(os.sep)
    return folder.rpartition(os.sep)[2], name


def number(count: int, noun: str) -> str:
    """``1 image``, ``50,000 images``, ``2 classes``."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
