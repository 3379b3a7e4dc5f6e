"""Data sets: their splits and samples, and how many images a complete split has."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, TypeVar, get_args, get_type_hints

from benchsuite.errors import BadParameter, expected
from benchsuite.specs.architecture import Architecture
from benchsuite.specs.preprocess import Preprocess
from benchsuite.specs.recipe import Recipe

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Census:
    """The size of a complete ``split``. None means unknown, or not the same for all classes or images.

    ``images`` is the total, ``classes`` the number of classes with images, ``each`` the images per class, and ``size``
    the (height, width) of every image in pixels. ``accepted()`` returns, by image id, the classes that reassessed
    labels accept; an image without reassessed labels has none or is missing. ``jpeg`` is true if images of a fixed size
    were published as JPEG files; else JPEG files of that size are not the published pixels.
    """

    split: Literal["train", "test"]
    images: int | None = None
    classes: int | None = None
    each: int | None = None
    size: tuple[int, int] | None = None
    accepted: Callable[[], Mapping[str, Sequence[int]]] | None = None
    jpeg: bool = False


def words(census: Census) -> str:
    """The census in words: ``test: 50,000 images, 1,000 classes, 50 of each``."""
    known = (
        (census.images, "images"),
        (census.classes, "classes"),
        (census.each, "of each"),
    )
    size = [f"{census.size[1]} x {census.size[0]} pixels"] if census.size else []
    return f"{census.split}: " + ", ".join([f"{n:,} {what}" for n, what in known if n is not None] + size)


def faults(censuses: Sequence[Census]) -> list[str]:
    """Impossible values, in words: a number below 1, classes that do not add up to the images, a split given twice."""
    messages = []
    for c in censuses:
        numbers = [n for n in (c.images, c.classes, c.each, *(c.size or ())) if n is not None]
        if min(numbers, default=1) < 1:
            messages.append(f"a number below 1 in {c.split}")
        if None not in (c.images, c.classes, c.each) and c.images != (c.classes or 0) * (c.each or 0):
            messages.append(f"{c.images} images of {c.split} for {c.classes} classes of {c.each}")
    if len({c.split for c in censuses}) < len(censuses):
        messages.append("one split twice")
    return messages


SplitName = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class Conversion:
    """How images of other modes become RGB of 8 bits. By default as Pillow's ``convert("RGB")`` does it.

    ``depth``: images of more than 8 bits in one band are refused, because Pillow would cut them off at 255, and of 16
    bits a colour the upper 8 are read; or all are scaled to 8 bits. ``alpha``: transparency is dropped, so that hidden
    colours show; or transparent images are put on white or black.
    """

    depth: Literal["refuse", "scale"] = "refuse"
    alpha: Literal["drop", "white", "black"] = "drop"

    @property
    def options(self) -> dict[str, str]:
        """What is not as by default, by name: as it is typed after ``--data`` and kept in a manifest."""
        chosen = {"depth": str(self.depth), "alpha": str(self.alpha)}
        return {name: value for name, value in chosen.items() if value != getattr(AS_PILLOW, name)}


AS_PILLOW = Conversion()


def split_conversion(text: str) -> tuple[str, Conversion]:
    """``folder:PATH,depth=scale`` -> ``folder:PATH`` and the conversion. Raises ``BadParameter`` for other values."""
    chosen: dict[str, Any] = {}
    for name, value in re.findall(_OPTION, text):
        known = get_args(get_type_hints(Conversion)[name])
        if value not in known or name in chosen:
            got = f"{value!r}" if name not in chosen else "two of it"
            raise BadParameter(expected(f"{name} of the data set", f"one of {', '.join(known)}", got, text))
        chosen[name] = value
    return re.sub(_OPTION, "", text), Conversion(**chosen)


_OPTION = r",(depth|alpha)=([^,]*)"


@dataclass(frozen=True, slots=True)
class Span:
    """``length`` bytes from ``offset`` on in ``file``, a path or a URL: a member of a tar or zip archive.

    ``size`` is the number of bytes after inflating a ``deflated`` member, else ``length``. ``crc`` is the CRC-32 of the
    content where the archive has one.
    """

    file: str
    offset: int
    length: int
    size: int
    deflated: bool = False
    crc: int | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """The bytes in ``column`` of a row of a Parquet ``file``: row ``row`` of the row group ``group``, of ``size``."""

    file: str
    group: int
    row: int
    column: str
    size: int


@dataclass(frozen=True, slots=True)
class Block:
    """``size`` bytes from ``start`` on, in the ``inflated`` bytes that Snappy makes of ``length`` bytes from ``offset``
    on in ``file``: a value in a Parquet file that is read without the rest of its row group.
    """

    file: str
    offset: int
    length: int
    inflated: int
    start: int
    size: int


Place = Span | Cell | Block
"""Where the bytes of an image lie in a file that holds many. ``benchsuite.read_bytes`` reads them."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """Errors of a reference network that the errors of groups are divided by: ``name`` is the mean of these ratios.

    ``by`` names one of the split's ``groups``, and ``errors`` has the reference's mean error (a ratio) for each of its
    values that counts. A value's own error is the mean over its ``cells``, one for each combination with the other
    groups, such as a corruption's five severities. ``source`` says where the errors are printed.
    """

    name: str
    by: str
    errors: tuple[tuple[str, Fraction], ...]
    cells: int
    source: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One image: its ``id`` (unique in the split), class index, place, and a stamp that changes when the image changes.

    ``where`` is a path, or a row of a file. The part of ``stamp`` before the first ``@`` is the same on every machine
    (the number of bytes of the file, or the digest of the row's pixels); the rest is specific to this machine, such as
    a time. ``real`` holds the classes that reassessed labels accept; an image with none is left out of that count.
    Either all samples of a split have ``real`` or none has. ``place`` is where the bytes lie in an archive; None for a
    file of its own and for a row of an array. ``where`` then is ``ARCHIVE/MEMBER``. ``groups`` has a value for each
    name in the split's ``groups``, such as ``("fog", "3")``; the samples of a group should share one tuple.
    """

    id: str
    label: int
    where: str
    stamp: str = ""
    real: tuple[int, ...] | None = None
    place: Place | None = None
    groups: tuple[str, ...] = ()

    @property
    def content(self) -> str:
        """The part of the stamp that is the same on every machine."""
        return self.stamp.partition("@")[0]

    @property
    def state(self) -> str:
        """Distinguishes this image from another one with the same id: the stamp, or the place if there is no stamp."""
        return self.stamp or self.where


@dataclass(frozen=True, slots=True)
class Split:
    """An opened dataset: samples in the order of their ids, and a function that reads one.

    ``classes`` are the readable names of all class indices, including classes without samples. ``read(sample)`` returns
    uint8 (H, W, 3) RGB, as a new array or a Pillow image, and may be called by several threads at once; it raises
    ``DataError`` with the file's name. ``mirror`` says that a mirror image keeps its class. ``among`` are the class
    indices that a prediction may have, ascending: the logits of other classes are removed before any softmax. If it is
    empty, all classes are kept. ``notes`` are lines for the user about what was chosen when it was opened. ``alike``
    are sets of class indices that count as one class: the first index is in ``among`` and gets the largest logit of the
    set, the others are not. ``groups`` names what errors are counted by, such as ``("corruption", "severity")``.
    If ``read`` has a second argument, ``conversion``, images are read with the ``Conversion`` that the user gives;
    ``conversion`` is the one that ``read`` uses.
    """

    name: str
    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    mirror: bool
    read: Callable[[Sample], Any]
    among: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    alike: tuple[tuple[int, ...], ...] = ()
    groups: tuple[str, ...] = ()
    conversion: Conversion = AS_PILLOW


Content = Callable[[Sample], bytes]
"""Returns the bytes of a sample's file. Raises ``DataError`` with its name."""

Read = TypeVar("Read", bound=Callable[..., Any])


def decodes(content: Content) -> Callable[[Read], Read]:
    """Decorates a ``read`` that decodes the bytes that ``content(sample)`` returns, and changes nothing else.

    Loaders with a decoder of their own then decode these bytes. Any other ``read`` is called by every loader.
    """

    def decorated(read: Read) -> Read:
        read.content = content  # type: ignore[attr-defined]
        return read

    return decorated


def file_content(split: Split) -> Content | None:
    """What returns the bytes that ``split.read`` decodes; None if it reads arrays, or changes what it decodes."""
    content: Content | None = getattr(split.read, "content", None)
    return content


@dataclass(frozen=True, slots=True)
class ConvertedRead:
    """The ``read`` of a split with another conversion."""

    read: Callable[..., Any]
    conversion: Conversion

    def __call__(self, sample: Sample) -> Any:
        """The image of a sample."""
        return self.read(sample, conversion=self.conversion)

    @property
    def content(self) -> Content | None:
        """See ``file_content``."""
        return getattr(self.read, "content", None)


def with_conversion(split: Split, conversion: Conversion) -> Split:
    """The split read with this conversion. Its name has the options, so that runs and prepared files have their own.

    Raises ``BadParameter`` if its ``read`` takes none, as that of arrays.
    """
    if conversion == AS_PILLOW:
        return split
    words = ",".join(f"{name}={value}" for name, value in conversion.options.items())
    if "conversion" not in inspect.signature(split.read).parameters:
        raise BadParameter(expected(words, "given to a data set of image files", split.name))
    read = ConvertedRead(split.read, conversion)
    return dataclasses.replace(split, name=f"{split.name},{words}", read=read, conversion=conversion)


Fetch = Callable[[str, Callable[[str, int], None], Callable[[int], None]], None]
"""Downloads a data set: ``fetch(folder, start, advance)``, see ``Dataset``."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A source of samples. ``open(path, split)`` returns a ``Split``; ``path`` is None when the user gave none.

    ``open`` finds every fault that shows before a network runs, and raises ``DataError`` in one line that names the
    file or folder: nothing at ``path`` (with what to download), unknown or empty classes, equal ids, files that are not
    images. ``download`` says what to download and where to put it. With a ``recipe``, a network without given weights
    is trained once, by the ``residual_recipe``, if there is one, if its architecture is ``residual``; it has the
    preprocessing of the recipe. ``preprocess`` is used for other networks that were trained on this dataset. ``census``
    has the sizes of complete splits. With a ``baseline``, the errors of groups are also compared with those of a
    reference network. ``fetch(folder, start, advance)``, for a data set that may be had freely, downloads the files
    into ``folder`` and compares their checksums; it calls ``start(title, total)`` for each file and ``advance(n)`` as
    its bytes arrive. The folder is empty, or holds the files that an earlier call, which failed, left there with names
    that end in ``.partial``. It raises ``DataError`` in one line.
    """

    name: str
    open: Callable[[str | None, SplitName], Split]
    mirror: bool
    note: str
    source: str
    download: str = ""
    path: Literal["none", "optional", "required"] = "required"
    recipe: Recipe | None = None
    residual_recipe: Recipe | None = None
    preprocess: Preprocess | None = None
    census: tuple[Census, ...] = ()
    baseline: Baseline | None = None
    fetch: Fetch | None = None


def recipe_for(dataset: Dataset, architecture: Architecture) -> Recipe | None:
    """A data set's recipe for networks of this kind; None if it has none."""
    return (dataset.residual_recipe if architecture.residual else None) or dataset.recipe


def spread(items: tuple[T, ...], limit: int | None) -> tuple[T, ...]:
    """``limit`` evenly spaced items, in order; all items if ``limit`` is None or not below their number."""
    if limit is None or limit >= len(items):
        return items
    return tuple(items[i * len(items) // limit] for i in range(limit))


def shuffled(samples: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """The same samples with their labels permuted. The permutation depends on the ids alone, so it is always the same.

    The first sample gets the label of the sample whose id has the lowest SHA-256 digest, and so on.
    """
    import hashlib

    donors = sorted(samples, key=lambda s: hashlib.sha256(f"shuffled label {s.id}".encode()).digest())
    return tuple(dataclasses.replace(s, label=d.label) for s, d in zip(samples, donors, strict=True))
