"""Every finding that a check can have, in one table: its kind, its text, and what to do about it.

A test follows the advice of each kind and checks again; it fails for a kind without such a test.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["ok", "note", "skipped", "failed"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, what to do about it, the files or classes that it is about, and its name in ``KINDS``."""

    check: str
    level: Severity
    text: str
    advice: str = ""
    examples: tuple[str, ...] = ()
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Kind:
    """A finding before its facts are known: ``text`` and ``advice`` have their names in braces."""

    check: str
    level: Severity
    text: str
    advice: str = ""


def found(kind: str, examples: Sequence[str] = (), **facts: object) -> Finding:
    """A finding of a kind of ``KINDS``, with its facts."""
    row = KINDS[kind]
    return Finding(row.check, row.level, row.text.format(**facts), row.advice.format(**facts), tuple(examples), kind)


_LOOK = "Look at the images of these classes: their labels may be swapped"

KINDS = {
    "opened-as": Kind("opening", "note", "{line}"),
    "not-opened": Kind("opening", "failed", "{reason}", "Fix this first, then check again"),
    "other-copy": Kind("opening", "note", "it opens as {data}: {counts}", "Give it as --data {data}"),
    # counts
    "complete": Kind("counts", "ok", "{summary}, as in a complete copy"),
    "size-unknown": Kind("counts", "ok", "{summary}; the data set does not say how many a complete copy has"),
    "one-class": Kind(
        "counts",
        "failed",
        "{summary}: with one class every answer is right",
        "Put the images into a folder for each class, and let PATH hold these folders",
    ),
    "uneven": Kind(
        "counts",
        "failed",
        "{summary}: {wrong}",
        "The total is right, so some images are in folders of other classes: unpack the archive again",
    ),
    "surplus": Kind(
        "counts",
        "failed",
        "{summary}: {wrong}",
        "Remove the images that do not belong to the data set, or check that you named the right one",
    ),
    "incomplete": Kind(
        "counts",
        "failed",
        "{summary}: {wrong}",
        "Complete the copy: unpack the archive again and compare the number of files. Error rates on a part of the "
        "data set cannot be compared with published ones",
    ),
    # folders
    "in-place": Kind("folders", "ok", "name and folder agree for {files}"),
    "misplaced": Kind(
        "folders",
        "failed",
        "{files} with a name that begins with the WordNet id of another folder",
        "Move each file to the folder of the WordNet id in its name, or unpack the archive again",
    ),
    "ignored": Kind("folders", "note", "other files next to the images, which are ignored: {kinds}"),
    "surveyed": Kind("folders", "ok", "{content}"),
    "no-image": Kind("folders", "failed", "{content}", "Give the folder that holds the images as PATH"),
    "deeper": Kind("folders", "ok", "{content}", "The class folders are in {where}: append this to PATH"),
    "archive": Kind(
        "folders",
        "failed",
        "{content}",
        "ImageNet opens from the archive itself: --data imagenet:FILE (docs/data.md). Unpack that of another set",
    ),
    "compressed": Kind(
        "folders",
        "failed",
        "{content}",
        "Decompress the archive, for example with gunzip: a tar or zip of ImageNet then opens as it is",
    ),
    "other-names": Kind(
        "folders",
        "failed",
        "{folders} not named by {usual}, unlike the others",
        "Name these folders by {usual} too, or move them elsewhere",
    ),
    "empty-folder": Kind(
        "folders",
        "failed",
        "{folders} without an image",
        "Put the missing images into the empty folders, or remove the folders that are not classes",
    ),
    "nested": Kind(
        "folders",
        "failed",
        "{folders} inside the class folders",
        "Move the images of the inner folders up into the class folders, and remove the inner folders",
    ),
    "several-sets": Kind(
        "folders", "failed", "{inside}, which may be separate data sets", "Use one of these folders as PATH"
    ),
    # images
    "all-decoded": Kind("images", "ok", "all {images} fully decoded"),
    "some-decoded": Kind(
        "images",
        "ok",
        "all headers read, {decoded:,} of {images} fully decoded",
        "Use --full to decode every image and to compare the pixels too",
    ),
    "unreadable": Kind(
        "images",
        "failed",
        "{images} cannot be read",
        "Replace these files from the archive, or do what the message says: a run stops at the first one",
    ),
    "no-image-files": Kind(
        "images",
        "failed",
        "{files} with the suffix of an image, but empty, not an image or not readable",
        "Replace the files that are not images, or correct their read permissions",
    ),
    "no-warning": Kind("images", "ok", "no warning from {files}"),
    "warnings-unknown": Kind(
        "images",
        "skipped",
        "the warnings of the JPEG decoder were not counted",
        "pip install 'benchsuite[jpeg]' to count JPEG files that decode with a warning",
    ),
    "warned": Kind(
        "images",
        "note",
        "{images} decoded with a warning of the JPEG decoder: the pixels may be damaged",
        "Compare these files with another copy, and replace those that differ: some sound files have a warning too",
    ),
    "archive-as-published": Kind("archive", "ok", "{name} has the published MD5"),
    "archive-differs": Kind(
        "archive",
        "failed",
        "{name} has the MD5 {digest}, but was published with {published}",
        "Get the archive again, or give one of your own another name",
    ),
    # since the last check
    "unchanged": Kind("changes", "ok", "nothing has changed since the check of {date}, by {how}"),
    "changed": Kind("changes", "note", "since the check of {date}: {words}"),
    "perhaps-changed": Kind(
        "changes",
        "note",
        "{images} with the same size and time but another ctime or inode than at the check of {date}",
        "Use --full to compare their content with that of the last check with --full",
    ),
    "touched": Kind(
        "changes",
        "note",
        "{images} with the same size and time but another ctime or inode than at the check of {date}, which kept no "
        "content to compare with",
        "Use --full once, so that later checks can compare the content",
    ),
    "rotten": Kind(
        "changes",
        "failed",
        "{images} with other content than at the check of {date}, but with the same size and time: cached results are "
        "those of the old content",
        "Replace these files from the archive; if the change was meant, touch them, so that results are computed again",
    ),
    # sizes, formats, colours
    "sizes": Kind("sizes", "ok", "{sizes}"),
    "enlarged": Kind("sizes", "note", "{sizes}; {images} with a side below {crop} pixels, enlarged before the crop"),
    "other-size": Kind(
        "sizes",
        "failed",
        "{sizes}; {images} not {rule}",
        "These are not the original images of the data set: get it again",
    ),
    "stored-as-jpeg": Kind(
        "formats",
        "note",
        "{images} stored as JPEG, which changed the published pixels",
        "Compare results on this copy only with each other, or get the original arrays",
    ),
    "misnamed": Kind("formats", "note", "{images} in {value} with the suffix of another format"),
    "turned": Kind("orientation", "note", "{images} rotated or mirrored by {value}, which is ignored"),
    "other-mode": Kind("colours", "note", "{images} in mode {value}, converted to RGB by Pillow"),
    "deep-grey": Kind("colours", "note", "{images} in mode {value}, scaled to 8 bits"),
    "deep-scaled": Kind("colours", "note", "{images} of {value}, scaled to 8"),
    "deep-cut": Kind(
        "colours",
        "note",
        "{images} of {value}, of which the upper 8 are read",
        "Add ,depth=scale after the path to round them instead",
    ),
    "alpha-blended": Kind("colours", "note", "{images} with {value}, put on {ground}"),
    "alpha-dropped": Kind(
        "colours",
        "note",
        "{images} with {value}, which is dropped: hidden colours show",
        "Add ,alpha=white or ,alpha=black after the path to put them on a ground instead",
    ),
    # duplicates
    "distinct": Kind("duplicates", "ok", "no two images with the same {what}"),
    "duplicates": Kind(
        "duplicates",
        "note",
        "{copies}",
        "Copies count twice. Remove them from a data set of your own; in a published one, keep them and report them",
    ),
    # labels and the order of classes
    "labels-accepted": Kind("labels", "ok", "{agreement}"),
    "foreign-labels": Kind(
        "labels",
        "failed",
        "{agreement}",
        "The labels do not belong to these images: get the labels again, or check whether files were renamed",
    ),
    "swapped-labels": Kind("labels", "failed", "{agreement}, but of hardly any in {classes}", _LOOK),
    "synset-order": Kind("class order", "ok", "{folders} indexed by sorted WordNet ids"),
    "not-synset-order": Kind(
        "class order",
        "failed",
        "the class indices do not follow the sorted WordNet ids of the folders",
        "Number the classes in the order of their sorted WordNet ids",
    ),
    "number-order": Kind("class order", "ok", "{folders} indexed in the order of their numbers"),
    "not-number-order": Kind(
        "class order",
        "failed",
        "the folders are named by numbers but not indexed in their order: sorted as text, 10 comes before 2",
        "Add leading zeros to the names; for ImageNet-V2, use imagenet-v2:PATH instead",
    ),
    "no-network": Kind(
        "class order",
        "skipped",
        "no network was asked for its predictions",
        "Add --model NAME to compare the labels with the predictions of a network",
    ),
    "usual-mistake": Kind(
        "class order",
        "failed",
        "{agreement}, but with {hits:,} if the labels are read like this: {name}",
        "Number the classes in the order that the network was trained with; for ImageNet, that of the sorted WordNet "
        "ids",
    ),
    "permuted": Kind(
        "class order",
        "failed",
        "{agreement}; the classes are permuted: {fit}",
        "Find the list of classes that the labels were made with",
    ),
    "chance": Kind(
        "class order",
        "failed",
        "{agreement}, no better than chance: the labels are mixed up, or the network was trained on other classes",
        "Try other weights; if they agree no better, get the labels again",
    ),
    "swapped-classes": Kind(
        "class order",
        "failed",
        "{agreement}; {classes} seem to be swapped: most images of each look like another of them",
        _LOOK,
    ),
    "partly-permuted": Kind(
        "class order",
        "note",
        "{agreement}; the images of {classes} fit another class better: {fit}",
        "Look at these classes: either the network confuses them, or their labels are mixed up",
    ),
    "best-order": Kind("class order", "ok", "{agreement}, and no other order fits better"),
    "few-of-a-class": Kind(
        "class order",
        "ok",
        "{agreement}, and no other order fits better",
        "To find two swapped classes, show at least {enough} images of each: --images N",
    ),
}
"""Every finding by its kind. What is ok, or can only be known, has no advice."""
