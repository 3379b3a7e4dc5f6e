"""The conformance kit for plugins: each check returns None, or raises ``PluginError`` with one line.

``check_architecture(a)``, ``check_protocol(p)``, ``check_dataset(d)``, ``check_loader(l)``, ``check_reporter(r)`` and
``check_transform(t)`` check that a declared value keeps what the rest of benchsuite relies on. The built-in plugins
pass these checks too.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from benchsuite.errors import BenchsuiteError, DataError, PluginError, UnknownName, expected
from benchsuite.specs import dataset, parameters
from benchsuite.specs.architecture import Architecture, Family, Transform
from benchsuite.specs.catalog import NAME
from benchsuite.specs.combine import Combine
from benchsuite.specs.dataset import Dataset, Sample, faults, spread
from benchsuite.specs.loader import Images, Loader
from benchsuite.specs.preprocess import Preprocess, center
from benchsuite.specs.protocol import Protocol
from benchsuite.specs.reporter import Reporter
from benchsuite.specs.view import View, view_data, view_from_data

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_GREY: dict[str, Any] = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}
PROBES = (
    Preprocess(256, 224, "bilinear", **_GREY),
    Preprocess(235, 224, "bicubic", long_side="round", **_GREY),
    Preprocess(32, 32, "bilinear", antialias=False, **_GREY),
    Preprocess((40, 36), 32, "bilinear", **_GREY),
    Preprocess((28, 28), 28, "lanczos", **_GREY),
)
"""Preprocessings that protocols are tried with: a wide, an odd or no margin; the aspect ratio kept or ignored."""


def result(architecture: str, protocol: str, limit: int | None = None) -> dict[str, Any]:
    """An invented result in the format of ``benchsuite run --json``; reporters are tried on two of them."""
    run = f"{architecture}-{protocol}-probe-0123456789ab"
    named = {"run_id": run, "path": f"results/runs/{run}", "architecture": architecture, "protocol": protocol}
    counts = {"n": 8, "top1_errors": 3, "top1_error": 37.5, "top5_errors": 1, "top5_error": 12.5, "views": 1}
    speed: dict[str, Any] = {"images_per_second": 21.5, "cached": False, "limit": limit}
    speed["seconds"] = {"decode": 0.1, "wait": 0.0, "resize": 0.05, "prepare": 0.01, "forward": 0.2, "total": 0.37}
    how = {"weights": "probe", "dataset": "probe", "precision": "fp32", "loader": "probe"}
    return named | counts | speed | how | {"top1_interval": [13.684429, 69.425748]}


def check_architecture(a: Architecture | Family, *, build: bool = True, member: str | None = None) -> None:
    """Checks name, preprocessing and weights; with ``build`` also that the network returns (n, classes) logits.

    The network is tried on images of its crop. For a family, ``member`` (by default the first name) is resolved and
    checked. Weights are not loaded.
    """
    if isinstance(a, Family):
        _check_family(a, member, build)
        return
    it = Checker(f"architecture {a.name}")
    for part in a.name.split(":", 1):
        it.declares(part)
    it.preprocesses(a.preprocess, a.input.channels)
    it.needs(a.dense in ("auto", None) or callable(a.dense), "dense", "'auto', a function or None", a.dense)
    names = [w.name for w in a.weights]
    it.needs(len(set(names)) == len(names), "the names of weights", "distinct", ", ".join(names))
    for w in a.weights:
        own = Checker(f"{it.where}, weights {w.name}")
        own.declares(w.name, source=w.source)
        own.needs(w.name != "random", "the name of weights", "not the name of untrained weights", w.name)
        own.needs(callable(w.load), "load", "a function", w.load)
        own.needs(w.classes >= 2, "classes", "at least 2", w.classes)
        own.preprocesses(w.preprocess, a.input.channels)
    for recipe in a.recipes:
        Checker(f"{it.where}, recipe {recipe.name}").preprocesses(recipe.preprocess, a.input.channels)
    if build:
        _check_built(a, it)


def check_protocol(p: Protocol) -> None:
    """Checks name, note, source and parameters, and that the views are distinct, reproducible and survive JSON."""
    it = Checker(f"protocol {p.name}")
    it.declares(p.name, note=p.note, source=p.source)
    it.needs(isinstance(p.combine, Combine), "combine", "a Combine", p.combine)
    with it.runs("the parameters of views"):
        known = parameters.parameters(p)
        one = Protocol("1crop", lambda preprocess: (center(preprocess),), Combine(), note="", source="")
        label = parameters.bind(p.name, lambda name: p if name == p.name else one).label
    it.needs(label == p.name, "the label without parameters", p.name, label)
    if p.members:
        it.needs("protocol" in known, "the parameters", "with one named protocol", ", ".join(known))
        return
    for preprocess, mirror in itertools.product(PROBES, (False, True)):
        _check_views(p, known, preprocess, mirror)


def check_dataset(d: Dataset, path: str | None = None, *, split: dataset.SplitName = "test", limit: int = 16) -> None:
    """Checks name and texts; with a ``path``, or where none is needed, also ids, labels and ``limit`` images."""
    import numpy as np

    it = Checker(f"dataset {d.name}")
    it.declares(d.name, note=d.note, source=d.source)
    it.needs(not faults(d.census), "the census", "one that a split can have", "; ".join(faults(d.census)))
    if d.preprocess is not None:
        it.preprocesses(d.preprocess, None)
    if d.path == "required":
        it.declares(d.name, download=d.download)
        it.refuses("no path", BenchsuiteError, lambda: d.open(None, "test"))
    if d.path != "none":
        it.refuses("a missing folder", BenchsuiteError, lambda: d.open("/no/such/folder", "test"))
    if path is None and d.path != "none":
        return
    with it.runs("open"):
        opened = d.open(path, split)
    _check_split(opened, it)
    it.needs(opened.mirror == d.mirror, "mirror of the split", f"{d.mirror}, as declared", opened.mirror)
    for sample in spread(opened.samples, limit):
        one = Checker(f"{it.where}, sample {sample.id}")
        with one.runs("read"):
            first, again = np.asarray(opened.read(sample)), np.asarray(opened.read(sample))
        one.is_image(first)
        one.needs(np.array_equal(first, again), "an image", "the same each time it is read", "another")


def check_loader(loader: Loader, split: dataset.Split | None = None) -> None:
    """Checks that every sample comes once, in the requested order, as uint8 RGB; if exact, with the pixels of ``read``.

    ``split`` is by default 33 small arrays in memory; a loader that reads the files of a split needs another split. For
    a loader with a prepared file, the file is written first; its ``check`` raises when something is not installed.
    """
    import numpy as np

    it = Checker(f"loader {loader.name}")
    for part in loader.name.split(":", 1):
        it.declares(part, note=loader.note)
    split = split or dataset.Split("probe", _PROBES, ("even", "odd"), mirror=True, read=_probe_image)
    order = (*split.samples[::2], *reversed(split.samples[1::2]))
    with _images(loader, split, it) as images:
        for workers in (0, 2):
            with it.runs(f"images with {workers} workers"):
                got = list(images(split, order, _keep, workers))
                counts = len(got), len(list(images(split, (), _keep, workers)))
            it.needs(counts == (len(order), 0), f"the images of {len(order)} samples and of none", "as many", counts)
            for sample, (pixels, seconds) in zip(order, got, strict=True):
                one = Checker(f"{it.where}, sample {sample.id}")
                one.is_image(pixels)
                one.needs(math.isfinite(seconds) and seconds >= 0, "seconds", "a length of time", seconds)
                equal = not loader.exact or np.array_equal(pixels, np.asarray(split.read(sample)))
                one.needs(equal, "an image of an exact loader", "the pixels of read() in the requested order", "others")
        unreadable = dataclasses.replace(split, read=_broken_probe)
        if loader.file is None:
            it.refuses("an image that cannot be read", DataError, lambda: list(images(unreadable, order, _keep, 2)))


@contextmanager
def _images(loader: Loader, split: dataset.Split, it: Checker) -> Iterator[Images]:
    """The loader's ``images``; for a loader of prepared files, a function that reads a file written here."""
    import numpy as np

    one = (loader.images is None) != (loader.file is None)
    it.needs(one, "images and file", "one of them, and the other None", f"{loader.images} and {loader.file}")
    if loader.images is not None:
        yield loader.images
        return
    form = loader.file
    assert form is not None, "checked above"
    form.check()
    places = {sample.id: row for row, sample in enumerate(split.samples)}
    with TemporaryDirectory() as folder:
        path = Path(folder, f"probe{form.suffix}")
        with it.runs("writing a file"):
            pairs = ((sample, np.ascontiguousarray(split.read(sample))) for sample in split.samples)
            form.write(path, len(split.samples), pairs)
            rows = form.open(path)
        yield lambda split, samples, then, workers: rows([places[s.id] for s in samples], then, workers)


def check_reporter(r: Reporter) -> None:
    """Checks that ``render`` returns the same text each time, names every result and does not change the rows."""
    it = Checker(f"reporter {r.name}")
    it.declares(r.name, note=r.note)
    rows = (result("probenet", "1crop"), result("othernet", "10crop", limit=8))
    before = json.dumps(rows)
    with it.runs("render"):
        nothing, text, again = r.render(()), r.render(rows), r.render(rows)
    it.needs(isinstance(text, str) and isinstance(nothing, str), "what render returns", "text", type(text).__name__)
    it.needs(json.dumps(rows) == before, "the rows", "unchanged by render", "changed ones")
    it.needs(text == again, "what render returns", "the same each time", "two different texts")
    for name in ("probenet", "othernet"):
        it.needs(name in text, "the text", "one that names every result", f"one without {name}")


def check_transform(t: Transform, architecture: Architecture | None = None) -> None:
    """Checks name, note, source and parameters, and that a changed network still maps images to logits.

    ``apply`` is tried with its defaults on ``architecture`` with random weights, by default on a small network with two
    convolutions, a batch normalisation and a linear layer.
    """
    it = Checker(f"transform {t.name}")
    it.declares(t.name, note=t.note, source=t.source)
    with it.runs("the parameters of apply"):
        known = parameters.transform_parameters(t)
    for key, (_, default) in known.items():
        it.needs(default is not inspect.Parameter.empty, f"the parameter {key}", "one with a default", "none")
    with it.runs("the defaults of apply"):
        bound = parameters.bind_transform(t.name, lambda _: t)
        again = parameters.bind_transform(bound.name, lambda _: t)
    it.needs(again.name == bound.name, "the name with its parameters", bound.name, again.name)
    _check_applied(bound, architecture or Architecture("probe", _probe_network, PROBES[2]), it)


def _check_family(family: Family, member: str | None, build: bool) -> None:
    it = Checker(f"family {family.name}")
    it.declares(family.prefix)
    with it.runs("names"):
        names = list(family.names())
    it.needs(0 < len(set(names)) == len(names), "names", "one or more, all distinct", f"{len(names)}")
    it.refuses("an unknown name", UnknownName, lambda: family.resolve("no-such-member"))
    chosen = names[0] if member is None else member
    with it.runs(f"resolve of {chosen}"):
        architecture = family.resolve(chosen)
    name = f"{family.prefix}:{chosen}"
    it.needs(architecture.name == name, "the member's name", name, architecture.name)
    check_architecture(architecture, build=build)


def _check_built(a: Architecture, it: Checker) -> None:
    import torch

    size = a.preprocess.crop
    with it.runs("build(7)"):
        module = a.build(7)
    it.needs(isinstance(module, torch.nn.Module), "what build returns", "a torch.nn.Module", type(module).__name__)
    module.eval()
    image = torch.rand(2, a.input.channels, size, size, generator=torch.Generator().manual_seed(0))
    with it.runs(f"the network at {size} pixels"), torch.inference_mode():
        out, one = module(image), module(image[:1])
    shape = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
    it.needs(shape == (2, 7), "the output for 2 images and 7 classes", "of shape (2, 7)", shape)
    alone = torch.allclose(out[:1], one, rtol=1e-3, atol=1e-4, equal_nan=True)  # a very deep untrained one overflows
    it.needs(alone, "an image's logits", "the same alone and in a batch of two", "others")
    if callable(a.dense):
        from benchsuite.models.score_map import derive

        with it.runs("the score map of dense"):
            derive(a, module, size)


def _check_applied(bound: Transform, a: Architecture, it: Checker) -> None:
    import torch

    apply: Callable[..., object] = bound.apply
    size, logits = a.preprocess.crop, []
    images = torch.rand(2, a.input.channels, size, size, generator=torch.Generator().manual_seed(0))
    for seed in (1, 2):  # apply must not use torch's own random numbers
        zeros = torch.zeros_like(images[:1])
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            module = a.build(7).eval()
            torch.manual_seed(seed)
            with it.runs(f"apply on {a.name}"):
                returned = apply(module, zeros)
        it.needs(returned is None, "what apply returns", "None, as it changes the module itself", returned)
        it.needs(not bool(zeros.any()), "the image", "unchanged by apply", "a changed one")
        with it.runs("the network after apply"), torch.inference_mode():
            logits.append(module.eval()(images))
        shape = tuple(logits[-1].shape)
        it.needs(shape == (2, 7), "the output for 2 images and 7 classes after apply", "of shape (2, 7)", shape)
        it.needs(bool(logits[-1].isfinite().all()), "the logits after apply", "finite", "others")
    it.needs(torch.equal(*logits), "the logits after apply", "the same each time", "others")


def _probe_network(classes: int) -> Any:
    """A small network for images of any size."""
    from torch import nn

    stem = (nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2))
    return nn.Sequential(*stem, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, classes))


def _check_views(p: Protocol, known: Mapping[str, Any], preprocess: Preprocess, mirror: bool) -> None:
    it = Checker(f"protocol {p.name}, resize {preprocess.resize}, crop {preprocess.crop}")
    flip = {"flip": mirror} if "flip" in known else {}
    with it.runs("views"):
        views, again = p.views(preprocess, **flip), p.views(preprocess, **flip)
    it.needs(isinstance(views, tuple) and len(views) > 0, "views", "a tuple of one or more", views)
    resampling = (preprocess.interpolation, preprocess.antialias, preprocess.long_side)
    for v in views:
        it.needs(isinstance(v, View), "each view", "a View", v)
        it.needs(view_from_data(json.loads(json.dumps(view_data(v)))) == v, "a view", "the same after JSON", v)
        it.needs(not v.dense or v.nominal == preprocess.crop, "nominal", f"the crop, {preprocess.crop}", v.nominal)
        own = (v.interpolation, v.antialias, v.long_side)
        it.needs(own == resampling, "the resampling of a view", f"that of the weights, {resampling}", own)
        it.needs(mirror or not flip or not v.flip, "a view with flip=false", "not mirrored", v)
    it.needs(len(set(views)) == len(views), "views", "distinct", "one twice")
    it.needs(views == again, "views", "the same each time", "others")


def _check_split(split: dataset.Split, it: Checker) -> None:
    ids = [s.id for s in split.samples]
    it.needs(bool(ids) and len(split.classes) > 1, "samples and classes", "1 and 2 or more", [len(ids), split.classes])
    for before, after in itertools.pairwise(ids):
        it.needs(before < after, "ids", "distinct and sorted", f"{before!r} before {after!r}")
    known = range(len(split.classes))
    it.needs(list(split.among) == sorted({*split.among} & {*known}), "among", "rising class indices", split.among)
    it.needs(len({s.real is None for s in split.samples}) == 1, "real", "given for all samples or for none", "some")
    for s in split.samples:
        legal = isinstance(s.label, int) and s.label in known
        it.needs(legal, f"the label of {s.id}", f"a whole number in 0..{known[-1]}", s.label)
        it.needs(s.label in (split.among or known), f"the label of {s.id}", "one of among", s.label)
        it.needs(all(c in known for c in s.real or ()), f"real of {s.id}", f"in 0..{known[-1]}", s.real)


def _keep(pixels: Any, seconds: float) -> tuple[Any, float]:
    import numpy as np

    return np.array(pixels), seconds


_PROBES = tuple(Sample(f"probe-{i:02d}", i % 2, "memory") for i in range(33))


def _probe_image(sample: Sample) -> NDArray[np.uint8]:
    """An image of one colour; its size and colour follow from the sample's number."""
    import numpy as np

    number = int(sample.id[-2:])
    return np.full((1 + number % 5, 2 + number % 3, 3), (number, 2 * number, 255 - number), dtype=np.uint8)


def _broken_probe(sample: Sample) -> NDArray[np.uint8]:
    """Raises ``DataError``, as for a file that cannot be read."""
    raise DataError(expected("an image", "whole and readable", "a probe that is neither", sample.where))


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks one value that a plugin declares; ``where`` names the value in every error."""

    where: str

    def needs(self, holds: bool, what: str, rule: str, got: object) -> None:
        if not holds:
            raise PluginError(expected(what, rule, got, self.where))

    @contextmanager
    def runs(self, what: str) -> Iterator[None]:
        """Turns any exception inside the block into a ``PluginError`` of one line."""
        try:
            yield
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise PluginError(expected(what, "without an error", reason, self.where)) from error

    def refuses(self, what: str, kind: type[BenchsuiteError], call: Callable[[], object]) -> None:
        """Checks that ``call`` raises an error of this kind, in one line."""
        try:
            call()
        except kind as error:
            self.needs("\n" not in str(error), f"the error for {what}", "one line", repr(str(error)))
        except Exception as error:
            self.needs(False, f"the error for {what}", f"a {kind.__name__}", f"{type(error).__name__}: {error}")
        else:
            self.needs(False, what, f"refused with {kind.__name__}", "no error")

    def declares(self, name: str, **texts: str) -> None:
        self.needs(NAME.fullmatch(name) is not None, "the name", "letters, digits and . _ -", name)
        for what, text in texts.items():
            self.needs(isinstance(text, str) and bool(text.strip()), what, "a text that is not empty", text)

    def preprocesses(self, p: Preprocess, channels: int | None) -> None:
        with self.runs("the centre crop of its preprocessing"):
            center(p)
        fits = len(p.mean) == len(p.std) and len(p.mean) in ((channels,) if channels else (1, 3))
        self.needs(fits, "mean and std", "one number for each channel", f"{len(p.mean)} and {len(p.std)}")
        finite = all(math.isfinite(m) for m in p.mean) and all(math.isfinite(s) and s > 0 for s in p.std)
        self.needs(finite, "mean and std", "finite, and std above 0", f"{p.mean} and {p.std}")
        self.needs(p.range in (1.0, 255.0), "range", "1.0 or 255.0", p.range)
        self.needs(p.channel_order in ("RGB", "BGR"), "channel_order", "RGB or BGR", p.channel_order)

    def is_image(self, value: Any) -> None:
        import numpy as np

        pixels = np.asarray(value)
        good = pixels.dtype == np.uint8 and pixels.shape[2:] == (3,) and pixels.size > 0
        self.needs(good, "an image", "uint8 (height, width, 3)", f"{pixels.dtype} {pixels.shape}")
