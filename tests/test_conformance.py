"""Tests of the conformance kit: everything installed passes it, and broken contracts do not."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import toys
from toys import ToyPlugin

from benchsuite import (
    Architecture,
    Census,
    Combine,
    Crop,
    DataError,
    Dataset,
    DenseParts,
    Family,
    Input,
    Perturbation,
    PluginError,
    Preprocess,
    Protocol,
    Sample,
    Split,
    View,
    center,
    load_plugins,
    perturbing,
    unknown_name,
    view,
)
from benchsuite.data.resize import cut, resize
from benchsuite.specs.combine import combine
from benchsuite.specs.parameters import bind, views
from benchsuite.specs.view import resized_shape
from benchsuite.stats.metrics import errors_at, ranks
from benchsuite.testing import (
    check_architecture,
    check_dataset,
    check_loader,
    check_perturbation,
    check_protocol,
    check_reporter,
    check_transform,
)

CATALOG = load_plugins(entry_points=False, extra=[ToyPlugin()])
DEEP = 20
"""Networks whose name says more layers than this are not built here: their depth is all that differs."""
MEMBER = "resnet18"
"""The member that is built of each family."""


@pytest.mark.parametrize("name", CATALOG.architectures)
def test_every_architecture_keeps_its_contract(name: str) -> None:
    found = CATALOG.architectures[name]
    if isinstance(found, Family):
        check_architecture(found, member=MEMBER if MEMBER in found.names() else None)
    else:
        layers = re.search(r"\d+", found.name)
        check_architecture(found, build=layers is None or int(layers[0]) <= DEEP)


@pytest.mark.parametrize("name", CATALOG.protocols)
def test_every_protocol_keeps_its_contract(name: str) -> None:
    check_protocol(CATALOG.protocols[name])


@pytest.mark.parametrize("name", CATALOG.datasets)
def test_every_dataset_keeps_its_contract(name: str) -> None:
    check_dataset(CATALOG.datasets[name])


@pytest.mark.parametrize("name", CATALOG.loaders)
def test_every_loader_keeps_its_contract(name: str) -> None:
    loader = CATALOG.loaders[name]
    try:
        loader.check()
    except DataError as error:
        pytest.skip(str(error))
    check_loader(loader)


@pytest.mark.parametrize("name", CATALOG.reporters)
def test_every_reporter_keeps_its_contract(name: str) -> None:
    check_reporter(CATALOG.reporters[name])


@pytest.mark.parametrize("name", CATALOG.transforms)
def test_every_transform_keeps_its_contract(name: str) -> None:
    check_transform(CATALOG.transforms[name])
    check_transform(CATALOG.transforms[name], CATALOG.architecture("resnet20"))


def test_real_images_keep_the_contract_of_a_dataset(imagenet500: object, cifar10_jpeg: object) -> None:
    check_dataset(CATALOG.datasets["imagenet"], str(imagenet500), limit=3)
    check_dataset(CATALOG.datasets["cifar10"], str(cifar10_jpeg), limit=3)


@pytest.mark.parametrize("name", toys.TOP1_ERRORS)
def test_the_toys_answers_are_those_of_a_plain_loop(name: str) -> None:
    """Each view of each image is computed separately, by the functions of an evaluation; score maps by windows."""
    bound = bind(name, lambda n: CATALOG.find("protocol", n))
    made = views(bound, toys.PREPROCESS, mirror=True)
    split = toys.open_toy(None, "test")
    logits = np.array([[look(split.read(s), v) for v in made] for s in split.samples])
    scores = combine(logits, bound.combine, np.ones(logits.shape[:2]))
    labels = np.array([s.label for s in split.samples])
    assert errors_at(ranks(scores, labels), 1).hits == toys.TOP1_ERRORS[name]
    if name == "1crop":
        np.testing.assert_allclose(logits[:, 0], list(toys.LOGITS_1CROP.values()), rtol=1e-6)
    if name == "10crop":
        np.testing.assert_allclose(scores, list(toys.SCORES_10CROP.values()), rtol=1e-6)


def look(image: np.ndarray, seen: View) -> np.ndarray:
    pixels = cut(resize(image, *resized_shape(*image.shape[:2], seen), seen), seen)
    if not seen.dense:
        return toys.fake_predict(pixels[None], np.array([seen.flip]), seen)[0][0]
    places = itertools.product(range(len(pixels) - seen.nominal + 1), range(pixels.shape[1] - seen.nominal + 1))
    windows = np.stack([pixels[top : top + seen.nominal, left : left + seen.nominal] for top, left in places])
    return toys.fake_predict(windows, np.zeros(len(windows), dtype=bool), seen)[0].mean(axis=0)


def test_the_toy_network_computes_what_the_fake_one_does() -> None:
    import torch

    network = toys.build_toy(2)
    network.load_state_dict(toys.load_identity())
    pixels = np.random.default_rng(0).integers(0, 256, (3, 4, 4, 3), dtype=np.uint8)
    with torch.inference_mode():
        logits = network(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255).numpy()
    fake, places = toys.fake_predict(pixels, np.zeros(3, dtype=bool), center(toys.PREPROCESS))
    np.testing.assert_allclose(fake, logits, rtol=1e-5)
    assert places == 1


def refused(check: Callable[..., None], value: object, **how: Any) -> str:
    """The error message of one line with which a check rejects a value."""
    with pytest.raises(PluginError) as caught:
        check(value, **how)
    text = str(caught.value)
    assert "\n" not in text
    return text


class Twisted:
    """Builds a network that returns ``answer(x)`` for any number of classes."""

    def __init__(self, answer: Callable[[Any], Any]) -> None:
        self.answer = answer

    def __call__(self, num_classes: int) -> Any:
        import torch

        class Module(torch.nn.Module):
            def forward(module, x: Any) -> Any:  # noqa: N805
                return self.answer(x)

        return Module()


def mixed_logits(x: Any) -> Any:
    return (x - x.mean(0, keepdim=True)).mean((2, 3)).repeat(1, 3)[:, :7]


A, P, D, W = toys.ARCHITECTURE, toys.PROTOCOL, toys.DATASET, toys.ARCHITECTURE.weights[0]
PRE = toys.PREPROCESS


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "toy net"}, "Expected the name to be letters, digits and . _ -, got toy net (architecture toy net)"),
        ({"name": "lib:"}, "Expected the name to be letters"),
        ({"preprocess": dataclasses.replace(PRE, crop=6)}, "at most the shorter side of 5 pixels, got 6"),
        ({"preprocess": dataclasses.replace(PRE, mean=(0.5,))}, "one number for each channel, got 1 and 3"),
        ({"preprocess": dataclasses.replace(PRE, std=(0.5, 0.0, 0.5))}, "finite, and std above 0"),
        ({"preprocess": dataclasses.replace(PRE, mean=(math.nan,) * 3)}, "finite, and std above 0"),
        ({"preprocess": dataclasses.replace(PRE, range=128.0)}, "Expected range to be 1.0 or 255.0, got 128.0"),
        ({"preprocess": dataclasses.replace(PRE, channel_order="GBR")}, "RGB or BGR, got GBR"),
        ({"preprocess": dataclasses.replace(PRE, interpolation="cubic")}, "one of nearest, bilinear"),
        ({"input": Input(channels=1)}, "one number for each channel, got 3 and 3"),
        ({"dense": "yes"}, "Expected dense to be 'auto', a function or None, got yes"),
        ({"adapt": "yes"}, "Expected adapt to be a function or None, got yes"),
        ({"file_options": (("wide", True),)}, "an option in file_options to be an option of build, got wide"),
        ({"weights": (W, W)}, "Expected the names of weights to be distinct, got identity, identity"),
        ({"weights": (dataclasses.replace(W, name="random"),)}, "not the name of untrained weights, got random"),
        ({"weights": (dataclasses.replace(W, source=" "),)}, "Expected source to be a text that is not empty"),
        ({"weights": (dataclasses.replace(W, classes=1),)}, "Expected classes to be at least 2, got 1"),
        ({"weights": (dataclasses.replace(W, load=None),)}, "Expected load to be a function, got None"),
        ({"weights": (dataclasses.replace(W, preprocess=dataclasses.replace(PRE, crop=9)),)}, "weights identity"),
        ({"build": lambda classes: 1 / 0}, "got ZeroDivisionError: division by zero (architecture toy)"),
        ({"build": lambda classes: len}, "Expected what build returns to be a torch.nn.Module"),
        ({"build": lambda classes: toys.build_toy(5)}, "of shape (2, 7), got (2, 5)"),
        ({"build": Twisted(lambda x: [x])}, "of shape (2, 7), got list"),
        ({"build": Twisted(mixed_logits)}, "the same alone and in a batch of two"),
        ({"dense": lambda module: DenseParts(module[0], lambda x: x)}, "the score map of dense"),
    ],
)
def test_an_architecture_that_breaks_its_contract_is_refused(changes: dict[str, Any], said: str) -> None:
    assert said in refused(check_architecture, dataclasses.replace(A, **changes))


def test_an_architecture_with_parts_of_its_own_passes() -> None:
    def parts(module: Any) -> DenseParts:
        return DenseParts(lambda x: x, module)

    check_architecture(dataclasses.replace(A, dense=parts))


def test_nothing_is_built_unless_asked() -> None:
    check_architecture(dataclasses.replace(A, build=lambda classes: 1 / 0), build=False)


def family(**changes: Any) -> Family:
    def resolve(name: str) -> Architecture:
        if name != "toy":
            raise unknown_name("network of lib", name, ["toy"])
        return dataclasses.replace(A, name="lib:toy")

    return dataclasses.replace(Family("lib", resolve, lambda: ["toy"]), **changes)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"prefix": "l b"}, "letters, digits"),
        ({"names": lambda: ["toy", "toy"]}, "Expected names to be all distinct, got 2"),
        ({"resolve": lambda name: A}, "Expected an unknown name to be refused with UnknownName, got no error"),
        ({"resolve": {"toy": A}.__getitem__}, "a UnknownName, got KeyError"),
        ({"prefix": "other"}, "Expected the member's name to be other:toy, got lib:toy"),
        ({"names": lambda: ["tyo"]}, "Expected resolve of tyo to be without an error, got UnknownName"),
    ],
)
def test_a_family_that_breaks_its_contract_is_refused(changes: dict[str, Any], said: str) -> None:
    check_architecture(family())
    assert said in refused(check_architecture, family(**changes))


def untidy(preprocess: Preprocess, *, flip: bool | None = None, count: int = 1) -> tuple[View, ...]:
    """Views that are mirrored for any ``flip``."""
    return (center(preprocess, flip=True),)


def own_resampling(preprocess: Preprocess) -> tuple[View, ...]:
    return (View(preprocess.resize, Crop(preprocess.crop), interpolation="nearest"),)


def wrong_window(preprocess: Preprocess) -> tuple[View, ...]:
    return (view(preprocess, preprocess.resize, dense=True, nominal=preprocess.crop - 1),)


def without_annotation(preprocess: Preprocess, *, gain=1) -> tuple[View, ...]:  # type: ignore[no-untyped-def]
    return (center(preprocess),)


def without_default(preprocess: Preprocess, *, gain: int) -> tuple[View, ...]:
    return (center(preprocess),)


def growing() -> Callable[[Preprocess], tuple[View, ...]]:
    seen: list[int] = []

    def views_(preprocess: Preprocess) -> tuple[View, ...]:
        seen.append(1)
        return (center(preprocess, flip=len(seen) % 2 == 0),)

    return views_


def test_a_family_that_cannot_list_its_members_passes() -> None:
    check_architecture(family(names=lambda: ()))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "10 crop"}, "letters, digits"),
        ({"note": ""}, "Expected note to be a text that is not empty"),
        ({"source": "\n"}, "Expected source to be a text that is not empty"),
        ({"combine": "mean"}, "Expected combine to be a Combine, got mean"),
        ({"views": lambda preprocess: ()}, "Expected views to be a tuple of one or more, got ()"),
        ({"views": lambda preprocess: [center(preprocess)]}, "Expected views to be a tuple of one or more"),
        ({"views": lambda preprocess: (3,)}, "Expected each view to be a View, got 3"),
        ({"views": lambda preprocess: (center(preprocess),) * 2}, "Expected views to be distinct, got one twice"),
        ({"views": lambda preprocess: 1 / 0}, "Expected views to be without an error, got ZeroDivisionError"),
        ({"views": growing()}, "Expected views to be the same each time"),
        ({"views": untidy}, "Expected a view with flip=false to be not mirrored"),
        ({"views": own_resampling}, "Expected the resampling of a view to be that of the weights"),
        ({"views": wrong_window}, "Expected nominal to be the crop, 224, got 223"),
        ({"views": without_annotation}, "Expected the parameters of views to be without an error, got KeyError"),
        ({"views": without_default}, "one with a default, got none"),
        ({"members": True}, "Expected the parameters of views to be without an error"),
    ],
)
def test_a_protocol_that_breaks_its_contract_is_refused(changes: dict[str, Any], said: str) -> None:
    assert said in refused(check_protocol, dataclasses.replace(P, **changes))


def spoiled(change: str = "darker", reference: str = "", **fields: Any) -> Perturbation:
    """A perturbation with a function of ``spoiled_perturbations``."""
    place = "spoiled_perturbations:"
    return Perturbation("spoiled", place + change, reference=reference and place + reference, **fields)


def test_a_perturbation_that_keeps_its_contract_passes() -> None:
    check_perturbation(spoiled())
    check_perturbation(spoiled(reference="darker_reference", on="image"))
    check_perturbation(spoiled("of_ids", needs="ids"))
    check_perturbation(spoiled("of_gradient", needs="gradient"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (spoiled("squashed"), "to be float32 of shape (7, 3, 32, 32), got torch.float32 (7, 3, 16, 16)"),
        (spoiled("doubled"), "to be float32 of shape (7, 3, 32, 32), got torch.float64 (7, 3, 32, 32)"),
        (spoiled("array"), "to be float32 of shape (7, 3, 32, 32), got ndarray"),
        (spoiled("logarithm"), "Expected what spoiled returns to be finite numbers, got others for probe-"),
        (spoiled("in_place"), "Expected the pixels that change is given to be unchanged by it, got others"),
        (spoiled("failing"), "Expected change to be without an error, got ZeroDivisionError: division by zero"),
        (spoiled("of_batch"), "Expected what change returns for an image to be the same alone and in a batch of 7"),
        (spoiled("of_place"), "Expected what change returns for an image to be the same in another order"),
        (spoiled("of_torchs_seed"), "Expected the global random state to be unchanged by change"),
        (spoiled("of_numpys_seed"), "Expected the global random state to be unchanged by change"),
        (spoiled("of_pythons_seed"), "Expected the global random state to be unchanged by change"),
        (spoiled("of_the_first_seed"), "for an image to be the same for any global random seed, got other values"),
        (spoiled("counted"), "Expected what change returns for an image to be the same"),
        (spoiled("of_ids"), "Expected what change returns for an image to be the same for any id (needs=pixels)"),
        (spoiled("of_labels"), "the same for any label (needs=pixels), got other values (perturbation spoiled, 32x32"),
        (spoiled("of_labels", needs="ids"), "the same for any label (needs=ids)"),
        (spoiled("of_gradient"), "Expected needs to be gradient for a perturbation that uses the network"),
        (
            spoiled("too_far", needs="gradient", parameters=(("eps", Fraction(1, 10)),)),
            "Expected the change of a pixel to be at most eps, 0.100000, got 0.101000",
        ),
        (spoiled(reference="other_reference"), "to be what change returns, to 1e-05, got pixels that differ by 0.0001"),
        (spoiled(reference="flat_reference"), "reference returns to be of shape (32, 32, 3), got (32, 32)"),
        (spoiled(reference="in_place_reference"), "Expected the pixels that reference is given to be unchanged by it"),
        (spoiled(reference="failing_reference"), "Expected reference to be without an error, got ZeroDivisionError"),
        (spoiled("no_such"), "Expected change of spoiled to be a function of a module"),
        (spoiled(reference="no_such"), "Expected reference of spoiled to be a function of a module"),
        (Perturbation("grey-1", "no_such_module:change"), "a function of a module, got no_such_module:change"),
        (Perturbation("my filter", "spoiled_perturbations:darker"), "Expected the name to be letters, digits"),
        (
            spoiled(parameters=(("ratio", "4/3"),)),
            "Expected a view to be the same after JSON",
        ),
    ],
    ids=lambda given: f"{given.change}-{given.reference}" if isinstance(given, Perturbation) else "",
)
def test_a_perturbation_that_breaks_its_contract_is_refused(given: Perturbation, said: str) -> None:
    assert said in refused(check_perturbation, given)


def spoiled_once() -> Perturbation:
    return spoiled()


def picky(*, gain: int) -> Perturbation:
    return spoiled()


def restless_perturb() -> Callable[[], Perturbation]:
    count = itertools.count()
    return lambda: spoiled(revision=next(count))


def renamed_of(*, of: str = "1crop") -> Perturbation:
    return spoiled()


@pytest.mark.parametrize(
    ("perturb", "said"),
    [
        (lambda: "darker", "Expected what perturb of the protocol p returns to be a Perturbation, got 'darker'"),
        (lambda: spoiled("of_batch"), "the same alone and in a batch of 7"),
        (lambda: 1 / 0, "Expected perturb of the protocol p to be without an error, got ZeroDivisionError"),
        (picky, "Expected the parameter gain to be one with a default, got none"),
        (renamed_of, "Expected a parameter of p to be another than of, which names the perturbed protocol"),
        (restless_perturb(), "Expected what perturb returns to be the same each time"),
    ],
)
def test_a_protocol_whose_perturbation_breaks_its_contract_is_refused(perturb: Any, said: str) -> None:
    check_protocol(perturbing("p", spoiled_once, note="n", source="s"))
    assert said in refused(check_protocol, perturbing("p", perturb, note="n", source="s"))


def split(**changes: Any) -> Split:
    return dataclasses.replace(toys.open_toy(None, "test"), **changes)


def relabelled(label: Any) -> tuple[Sample, ...]:
    return tuple(dataclasses.replace(s, label=label) for s in split().samples)


def judged(*real: Any) -> tuple[Sample, ...]:
    """The samples with these reassessed labels, repeated in turn."""
    return tuple(dataclasses.replace(s, real=r) for s, r in zip(split().samples, itertools.cycle(real), strict=False))


def grouped(*values: str) -> tuple[Sample, ...]:
    return tuple(dataclasses.replace(s, groups=values) for s in split().samples)


def test_classes_that_count_as_one_and_groups_keep_the_contract() -> None:
    one = split(samples=relabelled(0), among=(0,), alike=((0, 1),))
    check_dataset(dataclasses.replace(D, open=lambda path, name: one))
    lit = split(samples=grouped("day"), groups=("light",))
    check_dataset(dataclasses.replace(D, open=lambda path, name: lit))


def restless() -> Callable[[Sample], np.ndarray]:
    count = itertools.count()
    return lambda sample: np.full((5, 5, 3), next(count), dtype=np.uint8)


def opening(**changes: Any) -> dict[str, Any]:
    return {"open": lambda path, name: split(**changes)}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "toy:data"}, "letters, digits"),
        ({"note": ""}, "Expected note"),
        ({"source": ""}, "Expected source"),
        ({"preprocess": dataclasses.replace(PRE, crop=9)}, "at most the shorter side of 5 pixels"),
        ({"path": "required"}, "Expected download to be a text that is not empty"),
        (
            {"path": "required", "download": "nothing"},
            "Expected no path to be refused with BenchsuiteError, got no error",
        ),
        ({"path": "optional"}, "Expected a missing folder to be refused with BenchsuiteError, got no error"),
        ({"open": lambda path, name: 1 / 0}, "Expected open to be without an error, got ZeroDivisionError"),
        (opening(samples=()), "Expected samples and classes to be 1 and 2 or more, got [0, "),
        (opening(classes=("red",)), "Expected samples and classes to be 1 and 2 or more, got [5, "),
        (opening(samples=split().samples[::-1]), "Expected ids to be distinct and sorted, got 'e' before 'd'"),
        (opening(samples=(split().samples[0],) * 2), "Expected ids to be distinct and sorted, got 'a' before 'a'"),
        (opening(samples=relabelled(2)), "Expected the label of a to be a whole number in 0..1, got 2"),
        (opening(samples=relabelled(-1)), "a whole number in 0..1, got -1"),
        (opening(samples=relabelled("red")), "a whole number in 0..1, got red"),
        (opening(among=(1, 0)), "Expected among to be rising class indices, got (1, 0)"),
        (opening(among=(0, 2)), "Expected among to be rising class indices, got (0, 2)"),
        (opening(among=(0,)), "Expected the label of b to be one of among, got 1"),
        (opening(samples=judged((0,), None)), "Expected real to be given for all samples or for none, got some"),
        (opening(samples=judged((0, 2))), "Expected real of a to be in 0..1, got (0, 2)"),
        (opening(alike=((0, 1),)), "Expected alike to be sets of class indices whose first is in among"),
        (opening(among=(0, 1), alike=((0, 1),)), "Expected alike"),
        (opening(samples=relabelled(0), among=(0,), alike=((0, 2),)), "Expected alike"),
        (opening(samples=relabelled(0), among=(0,), alike=((0,),)), "Expected alike"),
        (opening(groups=("n",)), "Expected groups to be distinct names, each one word and none of n, top1_errors"),
        (opening(groups=("a", "a")), "Expected groups to be distinct"),
        (opening(groups=("a b",)), "Expected groups to be distinct"),
        (opening(groups=("light",)), "Expected groups of a to be a text for each of ('light',), got ()"),
        (opening(samples=grouped("day")), "Expected groups of a to be a text for each of (), got ('day',)"),
        (opening(samples=grouped(""), groups=("light",)), "a text for each of ('light',), got ('',)"),
        ({"census": (Census("test", 5, 2), Census("test", 5))}, "a split can have, got one split twice"),
        ({"census": (Census("train", 100, 10, 11),)}, "got 100 images of train for 10 classes of 11"),
        ({"census": (Census("test", 0),)}, "got a number below 1 in test"),
        (opening(mirror=False), "Expected mirror of the split to be True, as declared, got False"),
        (opening(read=lambda s: np.zeros((5, 5), dtype=np.uint8)), "uint8 (height, width, 3), got uint8 (5, 5)"),
        (opening(read=lambda s: np.zeros((5, 5, 3))), "uint8 (height, width, 3), got float64 (5, 5, 3)"),
        (opening(read=lambda s: np.zeros((0, 5, 3), dtype=np.uint8)), "got uint8 (0, 5, 3)"),
        (opening(read=lambda s: 1 / 0), "Expected read to be without an error, got ZeroDivisionError"),
        (opening(read=restless()), "Expected an image to be the same each time it is read"),
    ],
)
def test_a_dataset_that_breaks_its_contract_is_refused(changes: dict[str, Any], said: str) -> None:
    assert said in refused(check_dataset, dataclasses.replace(D, **changes))


def test_a_dataset_that_fails_for_a_missing_folder_in_its_own_words_is_refused() -> None:
    def open_folder(path: str | None, name: str) -> Split:
        raise FileNotFoundError(path)

    folder: Dataset = dataclasses.replace(D, open=open_folder, path="optional")
    assert "Expected the error for a missing folder to be a BenchsuiteError, got FileNotFoundError" in refused(
        check_dataset, folder
    )


Then = Callable[[Any, float], Any]


def loader(change: Callable[[Iterator[Any], Split, Sequence[Sample], Then], Iterator[Any]], exact: bool = True) -> Any:
    def images(split: Split, samples: Sequence[Sample], then: Then, workers: int) -> Iterator[Any]:
        return change(toys.one_by_one(split, samples, then, workers), split, samples, then)

    return dataclasses.replace(toys.LOADER, images=images, exact=exact)


def swallow(made: Iterator[Any], split: Split, samples: Sequence[Sample], then: Then) -> Iterator[Any]:
    try:
        yield from made
    except Exception:
        yield from ()


def reraise(made: Iterator[Any], split: Split, samples: Sequence[Sample], then: Then) -> Iterator[Any]:
    try:
        yield from made
    except Exception as error:
        raise RuntimeError("worker died") from error


def backwards(made: Iterator[Any], split: Split, samples: Sequence[Sample], then: Then) -> Iterator[Any]:
    return (then(split.read(s), 0.0) for s in reversed(samples))


def brighter(made: Iterator[Any], split: Split, samples: Sequence[Sample], then: Then) -> Iterator[Any]:
    return (then(split.read(s) | 1, 0.0) for s in samples)


def negative(made: Iterator[Any], split: Split, samples: Sequence[Sample], then: Then) -> Iterator[Any]:
    return (then(split.read(s), -1.0) for s in samples)


def grey(made: Iterator[Any], split: Split, samples: Sequence[Sample], then: Then) -> Iterator[Any]:
    return (then(split.read(s)[:, :, 0], 0.0) for s in samples)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda made, *rest: list(made)[:-1], "the images of 33 samples and of none to be as many, got (32, 0)"),
        (lambda made, *rest: itertools.chain(list(made), [1]), "as many, got (34, 1)"),
        (lambda made, *rest: 1 / 0, "Expected images with 0 workers to be without an error, got ZeroDivisionError"),
        (backwards, "the pixels of read() in the requested order, got others (loader toy, sample probe-00)"),
        (brighter, "the pixels of read() in the requested order"),
        (negative, "Expected seconds to be a length of time, got -1.0"),
        (grey, "uint8 (height, width, 3)"),
        (swallow, "Expected an image that cannot be read to be refused with DataError, got no error"),
        (reraise, "to be a DataError, got RuntimeError: worker died"),
    ],
)
def test_a_loader_that_breaks_its_contract_is_refused(change: Callable[..., Iterator[Any]], said: str) -> None:
    assert said in refused(check_loader, loader(change))


def test_a_loader_that_takes_all_samples_at_once_does_not_stream() -> None:
    torch = load_plugins(entry_points=False).find("loader", "torch")
    greedy = dataclasses.replace(torch, images=lambda split, samples, *rest: torch.images(split, list(samples), *rest))
    assert "streams to be a promise to take a bounded number ahead" in refused(check_loader, greedy)
    check_loader(dataclasses.replace(greedy, streams=False))


def test_a_loader_on_a_device_is_the_same_loader() -> None:
    torch = load_plugins(entry_points=False).find("loader", "torch")
    check_loader(dataclasses.replace(torch, on=lambda device: torch))
    other = dataclasses.replace(torch, on=lambda device: dataclasses.replace(torch, name="other"))
    assert "Expected on('cpu') to be the loader itself, for another device, got other" in refused(check_loader, other)


def test_a_loader_that_is_not_exact_may_give_other_pixels() -> None:
    check_loader(loader(brighter, exact=False))


def forgetful(rows: Sequence[Mapping[str, Any]]) -> str:
    return toys.render(rows[:1])


def meddling(rows: Sequence[dict[str, Any]]) -> str:
    text = toys.render(rows)
    for row in rows:
        row["n"] = 0
    return text


def restless_text() -> Callable[[Sequence[Mapping[str, Any]]], str]:
    count = itertools.count()
    return lambda rows: f"{toys.render(rows)}{next(count)}"


def restless_text_of_runs() -> Callable[[Sequence[Any]], str]:
    count = itertools.count()
    return lambda runs: f"{runs[0].row['architecture']}{next(count)}"


@pytest.mark.parametrize(
    ("render", "said"),
    [
        (lambda rows: 3, "Expected what render returns to be text, got int"),
        (lambda rows: toys.render(rows) if rows else None, "Expected what render returns to be text"),
        (lambda rows: rows[0]["architecture"], "Expected render to be without an error, got IndexError"),
        (lambda rows: "\n".join(r["no such"] for r in rows), "Expected render to be without an error, got KeyError"),
        (forgetful, "Expected the text to be one that names every result, got one without othernet"),
        (meddling, "Expected the rows to be unchanged by render"),
        (restless_text(), "Expected what render returns to be the same each time"),
    ],
)
def test_a_reporter_that_breaks_its_contract_is_refused(render: Callable[..., Any], said: str) -> None:
    text = refused(check_reporter, dataclasses.replace(toys.REPORTER, render=render))
    assert said in text


def with_needed_option(runs: Sequence[Any], *, mark: str) -> str:
    return mark


@pytest.mark.parametrize(
    ("export", "said"),
    [
        (lambda runs: 3, "Expected what export returns to be text, got int"),
        (lambda runs: "nobody", "Expected the text to be one that names every run, got one without probenet"),
        (lambda runs: runs[0].row["no such"], "Expected export to be without an error, got KeyError"),
        (restless_text_of_runs(), "Expected what export returns to be the same each time"),
        (with_needed_option, "Expected each option to be one with a default, got mark"),
    ],
)
def test_a_reporter_whose_export_breaks_its_contract_is_refused(export: Callable[..., Any], said: str) -> None:
    assert said in refused(check_reporter, dataclasses.replace(toys.REPORTER, render=None, export=export))


def copied(module: Any, image: Any) -> Any:
    return module


def drawing(module: Any, image: Any) -> None:
    import torch

    module[0].weight += torch.rand(module[0].weight.shape)


def painting(module: Any, image: Any) -> None:
    image += 1


def beheading(module: Any, image: Any) -> None:
    del module[-1]


def shrinking(module: Any, image: Any) -> None:
    module[0].weight.data = module[0].weight[:, :1]


def infinite(module: Any, image: Any) -> None:
    module[-1].weight /= 0


def without_default(module: Any, image: Any, *, by: int) -> None:
    """A parameter that must be given."""


def without_type(module: Any, image: Any, *, by=1) -> None:  # type: ignore[no-untyped-def]
    """A parameter of no type."""


def from_texts(module: Any, image: Any, *, by: str = "a,b") -> None:
    """A default that cannot be typed."""


@pytest.mark.parametrize(
    ("apply", "said"),
    [
        (copied, "Expected what apply returns to be None, as it changes the module itself, got Sequential"),
        (drawing, "Expected the logits after apply to be the same each time, got others"),
        (painting, "Expected the image to be unchanged by apply, got a changed one"),
        (beheading, "to be of shape (2, 7), got (2, 8)"),
        (shrinking, "Expected the network after apply to be without an error, got RuntimeError"),
        (infinite, "Expected the logits after apply to be finite, got others"),
        (lambda module, image: module.stem, "Expected apply on probe to be without an error, got AttributeError"),
        (without_default, "Expected the parameter by to be one with a default, got none"),
        (without_type, "Expected the parameters of apply to be without an error, got KeyError"),
        (from_texts, "Expected the defaults of apply to be without an error, got BadParameter"),
    ],
)
def test_a_transform_that_breaks_its_contract_is_refused(apply: Callable[..., Any], said: str) -> None:
    text = refused(check_transform, dataclasses.replace(toys.TRANSFORM, apply=apply))
    assert said in text
    assert "(transform redder). " in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "a b"}, "Expected the name to be letters, digits"),
        ({"note": " "}, "Expected note to be a text that is not empty"),
        ({"source": ""}, "Expected source to be a text that is not empty"),
    ],
)
def test_a_transform_without_name_or_texts_is_refused(change: dict[str, Any], said: str) -> None:
    assert said in refused(check_transform, dataclasses.replace(toys.TRANSFORM, **change))


def test_a_members_protocol_names_its_inner_protocol() -> None:
    def nothing(preprocess: Preprocess, *, protocol: str = "1crop") -> tuple[View, ...]:
        return ()

    check_protocol(Protocol("group", nothing, Combine(), note="n", source="s", members=True))
