"""What plugins declare: frozen values. Behaviour is functions on them; nothing here imports torch or opens a file."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, TypeVar
from typing import Protocol as Structural

from benchsuite.census import Census
from benchsuite.combine import Combine
from benchsuite.errors import BadParameter, expected
from benchsuite.formats import FileFormat
from benchsuite.recipes import Augmentation, Grid, Mini, Optimizer, Options, Schedule
from benchsuite.view import Crop, Interpolation, LongSide, View

if TYPE_CHECKING:
    pass

T = TypeVar("T")
SplitName = Literal["train", "test"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Preprocess:
    """How pixels reach a network: data beside the weights.

    ``resize`` is the shorter side in pixels, or (height, width) to ignore the aspect ratio; ``crop`` the side of the
    centre square. Pixels are divided by 255 and multiplied by ``range`` (1.0 or 255.0), then normalised by ``mean`` and
    ``std`` in ``channel_order``. ``long_side`` rounds the longer side; torchvision and Pillow users truncate (floor).
    """

    resize: int | tuple[int, int]
    crop: int
    interpolation: Interpolation
    mean: tuple[float, ...]
    std: tuple[float, ...]
    antialias: bool = True
    channel_order: Literal["RGB", "BGR"] = "RGB"
    range: float = 1.0
    long_side: LongSide = "floor"


def view(preprocess: Preprocess, resize: int | tuple[int, int], **fields: Any) -> View:
    """A view at another size with the resampling that ``preprocess`` asks for."""
    return View(
        resize,
        interpolation=preprocess.interpolation,
        antialias=preprocess.antialias,
        long_side=preprocess.long_side,
        **fields,
    )


def center(preprocess: Preprocess, **fields: Any) -> View:
    """The one view that the weights were published with: resize, then the centre crop."""
    return view(preprocess, preprocess.resize, crop=Crop(preprocess.crop), **fields)


@dataclass(frozen=True, slots=True)
class Weights:
    """Named weights of an architecture. ``load()`` returns a state dict; it may download, by the library's own means.

    ``file`` says in words which file to put where when there is no connection.
    """

    name: str
    load: Callable[[], Mapping[str, Any]]
    preprocess: Preprocess
    classes: int
    source: str
    file: str = ""


@dataclass(frozen=True, slots=True)
class Input:
    """What a network takes: ``channels``, and whether its input size is ``fixed`` to the nominal crop."""

    channels: int = 3
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class DenseParts:
    """A network in two parts: ``features(x)``: (n, 3, H, W) -> (n, k, h, w); ``head(f)``: (m, k, 1, 1) -> (m, c)."""

    features: Callable[[Any], Any]
    head: Callable[[Any], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How a network is trained, as data: a value in a table, never a script. ``source`` and ``expected`` are its claim.

    ``architecture`` is empty for a recipe of any network. ``iterations`` ends the training in the middle of an epoch.
    ``partial`` says whether the last, smaller batch of an epoch is trained on. Parameters whose names begin with one of
    ``frozen`` do not learn; ``decay="frozen too"`` shrinks them all the same. ``pixel_mean`` fills the network's buffer
    of that name with the mean training image. Batches have the ``sizes`` in turn (none: the crop of ``preprocess``),
    and ``first_sizes``, where there are any, in the first 40 % of the steps; a batch of larger images than the crop
    uses the first few of its places, so that each has about as many pixels. ``rest`` starts residual branches at zero.
    ``images`` limits the training images. ``accounting`` names how the source counted, and ``count_batch`` the batch it
    counted in where that is another than ``batch_size``.
    """

    name: str
    architecture: str = ""
    dataset: str
    options: Options = ()
    preprocess: Preprocess
    epochs: int
    batch_size: int
    optimizer: Optimizer
    schedule: Schedule
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0
    sizes: tuple[int, ...] = ()
    first_sizes: tuple[int, ...] = ()
    iterations: int | None = None
    partial: bool = True
    frozen: tuple[str, ...] = ()
    decay: Literal["learning", "frozen too"] = "learning"
    pixel_mean: bool = False
    rest: bool = False
    images: int | None = None
    accounting: str = "exact"
    count_batch: int | None = None
    source: str
    expected: str
    cost: str
    note: str = ""
    mini: Mini | None = None


@dataclass(frozen=True, slots=True)
class Architecture:
    """A network and what goes with it. ``build(num_classes) -> torch.nn.Module``; the first weights are the default.

    Keyword-only parameters of ``build`` are the options that a user writes after the name: ``pnn:level=0.1``; their
    annotations give the types. ``check(options)`` refuses a combination; it gets all of them, defaults filled in.
    ``dense`` says how a score map is made: ``"auto"`` looks for the network's last global pooling and replaces it by a
    moving window; a function ``dense(module) -> DenseParts`` gives the parts; ``None`` means "fixed size".
    """

    name: str
    build: Callable[..., Any]
    preprocess: Preprocess
    weights: tuple[Weights, ...] = ()
    input: Input = Input()
    dense: Literal["auto"] | Callable[[Any], DenseParts] | None = "auto"
    recipes: tuple[Recipe, ...] = ()
    grids: tuple[Grid, ...] = ()
    check: Callable[[Mapping[str, Any]], None] | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Architectures made on demand from a library: ``PREFIX:NAME``. ``resolve`` raises ``UnknownName``."""

    prefix: str
    resolve: Callable[[str], Architecture]
    names: Callable[[], Sequence[str]]
    note: str = ""

    @property
    def name(self) -> str:
        """``timm:NAME``: how the family is listed."""
        return f"{self.prefix}:NAME"


@dataclass(frozen=True, slots=True)
class Protocol:
    """A way of testing: ``views(preprocess, *, parameter=default, ...)`` makes the views, ``combine`` merges them.

    The keyword parameters of ``views`` are what a user may write after the colon; their annotations give the types.
    A parameter ``flip: bool | None = None`` means "where the dataset says that a mirror image keeps its class".
    With ``members``, several networks are scored by an inner protocol each, and ``combine`` merges the networks.
    """

    name: str
    views: Callable[..., tuple[View, ...]]
    combine: Combine
    note: str
    source: str
    members: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """One image: its ``id`` (unique in the split), class index, where it lies, and a stamp that changes with it.

    ``where`` is a path, or a row of a file. Of the stamp, the part before the first ``@`` is the same on every machine
    (bytes of the file, or the digest of the row's pixels); what follows is this machine's, such as a time. ``real``
    holds the classes that reassessed labels accept (none: left out of that count), in all samples of a split or in no.
    """

    id: str
    label: int
    where: str
    stamp: str = ""
    real: tuple[int, ...] | None = None

    @property
    def content(self) -> str:
        """The part of the stamp that is the same on every machine."""
        return self.stamp.partition("@")[0]

    @property
    def state(self) -> str:
        """What tells this image from another one of its id: the stamp, or without one where it lies."""
        return self.stamp or self.where


@dataclass(frozen=True, slots=True)
class Split:
    """An opened dataset: samples in the order of their ids, and how to read one.

    ``classes`` are the readable names of all class indices, those without samples too. ``read(sample)`` returns uint8
    (H, W, 3) RGB, as an array of its own or a Pillow image, and may be called by several threads at once; it raises
    ``DataError`` with the file's name. ``mirror`` says that a mirror image keeps its class. ``among`` are the classes
    that an answer is chosen among, rising: the logits of others are left out before any softmax (empty: of none).
    """

    name: str
    samples: tuple[Sample, ...]
    classes: tuple[str, ...]
    mirror: bool
    read: Callable[[Sample], Any]
    among: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Dataset:
    """Where samples come from. ``open(path, split)`` returns a ``Split``; ``path`` is None when the user gave none.

    ``open`` finds what can be known before a network runs, and raises ``DataError`` in one line that names the file or
    folder: nothing at ``path`` (and what to download), unknown or empty classes, equal ids, files that are no images.
    ``download`` says what to get and where it goes. A dataset with ``recipe`` trains the asked network once when no
    weights are given; ``preprocess`` is used for networks that were trained on this dataset. ``census``: whole splits.
    """

    name: str
    open: Callable[[str | None, SplitName], Split]
    mirror: bool
    note: str
    source: str
    download: str = ""
    path: Literal["none", "optional", "required"] = "required"
    recipe: Recipe | None = None
    preprocess: Preprocess | None = None
    census: tuple[Census, ...] = ()


class Images(Structural):
    """``images(split, samples, then, workers)`` yields ``then(pixels, seconds)`` of every sample, in order.

    ``pixels`` is what ``split.read`` gives, ``seconds`` what reading and decoding took. ``then`` runs where the image
    was read, perhaps in a thread; 0 workers means the calling thread. Closing the iterator leaves no thread behind.
    """

    def __call__(
        self, split: Split, samples: Sequence[Sample], then: Callable[[Any, float], T], workers: int
    ) -> Iterator[T]: ...


@dataclass(frozen=True, slots=True)
class Loader:
    """How images are read: ``exact`` loaders give the reference decoder's pixels, bit for bit.

    One that reads a prepared ``file`` has no ``images`` until that is opened. ``NAME:VARIANT`` is a name, too.
    """

    name: str
    images: Images | None
    exact: bool
    note: str
    file: FileFormat | None = None


@dataclass(frozen=True, slots=True)
class Reporter:
    """A way of writing results down: ``render(rows)`` turns flat result rows into text."""

    name: str
    render: Callable[[Sequence[Mapping[str, Any]]], str]
    note: str


def with_overrides(preprocess: Preprocess, overrides: Sequence[tuple[str, Any]]) -> Preprocess:
    """The preprocessing with the fields that a user named after the protocol's colon."""
    return dataclasses.replace(preprocess, **dict(overrides))


def check_name(kind: str, name: str, owner: str) -> None:
    """Refuse names that could not be typed or stored: letters, digits, dot, dash, underscore."""
    if not all(NAME.fullmatch(part) for part in (name.split(":", 1) if kind == "loader" else [name])):
        raise BadParameter(expected(f"the name of a {kind}", "letters, digits and . _ -", name, owner))
