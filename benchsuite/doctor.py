"""What is wrong with a data set, in plain words: findings from what was seen. Pure functions; nothing is read here."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from statistics import median_low
from typing import Literal

from benchsuite.census import Census
from benchsuite.class_order import Order
from benchsuite.examine import Examined, Survey
from benchsuite.specs import Sample
from benchsuite.tables import percent

SHOWN = 5
"""Examples that a finding names."""
WNID = re.compile(r"n\d{8}")
OTHER = "names"

Level = Literal["ok", "note", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, what to do about it, and some of the files or classes that it is about."""

    check: str
    level: Level
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
    there = f"{_n(len(samples), 'image')} of {_n(len(sizes), 'class')}, {spread} of each"
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
        wrong.append(f"{_n(len(uneven), 'class')} without {census.each:,} images")
    if not wrong:
        return [Finding("counts", "ok", f"{there}, as in a whole copy")]
    examples = tuple(f"{classes[c].partition(',')[0]}: {sizes[c]:,}" for c in uneven[:SHOWN])
    advice = (
        "Complete the copy: unpack the archive again and compare the number of files. On a part of the data set, error "
        "rates cannot be held against published ones"
    )
    return [Finding("counts", "failed", f"{there}: {'; '.join(wrong)}", advice, examples)]


def misplaced(samples: Sequence[Sample]) -> list[Finding]:
    """Files whose names begin with another WordNet id than that of their folder, as ImageNet's training files do."""
    wrong, known = [], 0
    for sample in samples:
        path = PurePath(sample.where)
        folder, own = path.parent.name, WNID.match(path.name)
        if own and WNID.fullmatch(folder):
            known += 1
            if own[0] != folder:
                wrong.append(f"{folder}/{path.name}")
    if wrong:
        text = f"{_n(len(wrong), 'file')} named after another class than their folder"
        advice = "Move them to the folder of their name, or unpack the archive again"
        return [Finding("folders", "failed", text, advice, tuple(wrong[:SHOWN]))]
    return [Finding("folders", "ok", f"{_n(known, 'file')} in the folder of the name")] if known else []


def synset_order(samples: Sequence[Sample]) -> list[Finding]:
    """Class folders named by WordNet ids are indexed in the order of these ids, as every network expects."""
    labels: dict[str, set[int]] = {}
    for sample in samples:
        folder = PurePath(sample.where).parent.name
        if WNID.fullmatch(folder):
            labels.setdefault(folder, set()).add(sample.label)
    order = [sorted(labels[name]) for name in sorted(labels)]
    odd = [name for name in sorted(labels) if len(labels[name]) > 1]
    if odd or order != sorted(order):
        text = "the labels do not follow the sorted WordNet ids of the folders"
        return [
            Finding("class order", "failed", text, "Label images by the rank of their WordNet id", tuple(odd[:SHOWN]))
        ]
    return [Finding("class order", "ok", f"{_n(len(order), 'folder')} indexed by sorted WordNet ids")] if order else []


def number_order(samples: Sequence[Sample]) -> list[Finding]:
    """Class folders named by numbers are indexed in the order of these numbers, which is not that of text."""
    labels = {PurePath(s.where).parent.name: s.label for s in samples}
    if len(labels) < 2 or not all(name.isdecimal() for name in labels):
        return []
    by_label, by_number = (sorted(labels, key=key) for key in (lambda n: labels[n], int))
    if by_label == by_number:
        return [Finding("class order", "ok", f"{_n(len(labels), 'folder')} indexed in the order of their numbers")]
    text = "the folders are numbers, but are indexed in the order of text, in which 10 comes before 2"
    advice = "Give the names leading zeros; the numbered folders of ImageNet-V2 are read as imagenet-v2:PATH"
    odd = tuple(f"{name} has the index {labels[name]}" for name in by_number if labels[name] != by_number.index(name))
    return [Finding("class order", "failed", text, advice, odd[:SHOWN])]


def readable(samples: Sequence[Sample], examined: Sequence[Examined]) -> list[Finding]:
    """Files that cannot be read to their end, and how many were decoded to know that."""
    broken = [e.error for e in examined if e.error]
    decoded = sum(bool(e.pixels) for e in examined)
    if broken:
        text = f"{_n(len(broken), 'image')} cannot be read"
        advice = "Replace these files from the archive; a run stops at the first of them"
        return [Finding("images", "failed", text, advice, tuple(broken[:SHOWN]))]
    if decoded == len(samples):
        return [Finding("images", "ok", f"all {_n(decoded, 'image')} decoded whole")]
    text = f"every header read, {decoded:,} of {_n(len(samples), 'image')} decoded whole"
    return [Finding("images", "ok", text, "--full decodes every image")]


def lossy(examined: Sequence[Examined], census: Census | None) -> list[Finding]:
    """Pictures of a fixed size, which are published as plain arrays, in files that do not keep their pixels."""
    n = sum(e.format == "JPEG" for e in examined)
    if not n or census is None or census.size is None:
        return []
    advice = "Compare what is measured on it only with itself, or get the original arrays"
    return [Finding("formats", "note", f"{_n(n, 'image')} in JPEG, which has changed the published pixels", advice)]


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
            names = tuple(s.id for s, v in zip(samples, values, strict=True) if v == value)
            text = f"{_n(len(names), 'image')} {words.format(value)}"
            found.append(Finding(check, "note", text, "", names[:SHOWN]))
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
        odd = tuple(s.id for s, e in seen if (e.height, e.width) != census.size)
        if odd:
            rule = "{1} x {0}".format(*census.size)
            advice = "These are not the files of the data set: get it again"
            return [
                Finding("sizes", "failed", f"{text}; {_n(len(odd), 'image')} not {rule}", advice, odd[:SHOWN]),
            ]
        return [Finding("sizes", "ok", text)]
    small = tuple(s.id for s, e in seen if min(e.width, e.height) < crop)
    if small:
        words = f"{text}; {_n(len(small), 'image')} with a side below {crop} pixels, enlarged for a crop"
        return [Finding("sizes", "note", words, "", small[:SHOWN])]
    return [Finding("sizes", "ok", text)]


def duplicates(what: str, groups: Sequence[tuple[Sample, ...]]) -> list[Finding]:
    """Images that are there more than once; ``what`` is the same of them: bytes or pixels."""
    if not groups:
        return [Finding("duplicates", "ok", f"no two images of the same {what}")]
    torn = [group for group in groups if len({s.label for s in group}) > 1]
    text = f"{_n(sum(len(g) for g in groups), 'image')} share their {what} with another"
    if torn:
        text += f"; {_n(len(torn), 'group')} under different labels, of which one at most is right"
    examples = tuple(" = ".join(s.id for s in group) for group in (*torn, *(g for g in groups if g not in torn)))
    advice = "Copies count twice. Remove them from a set of your own; in a published one, leave them and say so"
    return [Finding("duplicates", "note", text, advice, examples[:SHOWN])]


def ignored(others: Mapping[str, int]) -> list[Finding]:
    """Files beside the images that are no samples."""
    if not others:
        return []
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(others.items()))
    return [Finding("folders", "note", f"files beside the images that are not counted: {kinds}")]


def order(found: Order | None, network: str, classes: Sequence[str]) -> list[Finding]:
    """Whether the classes are in the order that a network knows."""
    if found is None:
        advice = "--model NAME shows a network some images and compares its answers"
        return [Finding("class order", "skipped", "not asked of a network", advice)]
    there = f"{network} agrees with the labels of {found.hits.hits:,} of {_n(found.hits.total, 'image')}"
    there += f" ({percent(found.hits)} %)"
    names = [name.partition(",")[0] for name in classes]
    moved = tuple(f"{names[a]} looks like {names[b]}" for a, b in found.moved[:SHOWN])
    if found.better == "known" and found.known:
        name, hits = found.known
        text = f"{there}, but with {hits.hits:,} if they were in this order: {name}"
        advice = "Write the labels in the order of the sorted WordNet ids, or of the classes that the network knows"
        return [Finding("class order", "failed", text, advice, moved)]
    if found.better == "fitted" and found.fitted:
        fit, plain = found.fitted
        text = f"{there}; the classes are permuted: on images that it was not found on, another order hits "
        text += f"{fit.hits:,} of {fit.total:,}, and the labels {plain.hits:,}"
        return [Finding("class order", "failed", text, "Look for the list that the labels were made with", moved)]
    if found.blind:
        text = f"{there}, which is no better than chance: the labels are mixed up, or the network knows other classes"
        return [Finding("class order", "failed", text, "Try other weights; if they agree no better, get labels again")]
    if found.swapped:
        pairs = tuple(f"{names[a]} and {names[b]}" for a, b in found.swapped[:SHOWN])
        text = f"{there}; most images of {_n(len(found.swapped), 'pair')} of classes look like the other one"
        return [Finding("class order", "failed", text, "Look at these classes: they may have changed places", pairs)]
    return [Finding("class order", "ok", f"{there}, and no other order fits better")]


def surveyed(found: Survey, reason: str) -> list[Finding]:
    """What lies in a folder that could not be opened, and why it could not."""
    findings = [Finding("opening", "failed", reason, "Mend this first; the rest is what lies in the folder")]
    names = found.folders
    kinds = Counter(_naming(name) for name in names)
    words = ", ".join(f"{n:,} named by {kind}" for kind, n in kinds.most_common() if kind != OTHER)
    text = f"{_n(found.images, 'image')} in {_n(len(names), 'folder')}" + (f", {words}" if words else "")
    findings.append(Finding("folders", "ok" if found.images else "failed", text))
    usual, times = kinds.most_common(1)[0] if kinds else (OTHER, 0)
    odd = tuple(name for name in names if _naming(name) != usual)
    if odd and usual != OTHER and times > len(odd):
        text = f"{_n(len(odd), 'folder')} not named by {usual}, as the others are"
        findings.append(Finding("folders", "failed", text, "Rename them or move them away", odd[:SHOWN]))
    empty = tuple(name for name, n in names.items() if not n)
    if empty:
        findings.append(Finding("folders", "failed", f"{_n(len(empty), 'folder')} without an image", "", empty[:SHOWN]))
    if found.broken:
        text = f"{_n(len(found.broken), 'file')} named as an image that is empty or none"
        findings.append(Finding("images", "failed", text, "Replace these files", tuple(found.broken[:SHOWN])))
    return findings + ignored(found.others)


def _naming(folder: str) -> str:
    return "WordNet ids" if WNID.fullmatch(folder) else "numbers" if folder.isdigit() else OTHER


def _n(count: int, noun: str) -> str:
    """``1 image``, ``50,000 images``, ``2 classes``."""
    plural = f"{noun}es" if noun.endswith("s") else f"{noun}s"
    return f"{count:,} {noun if count == 1 else plural}"
