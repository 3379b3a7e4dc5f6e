"""Tests of the choice of weights: declared, trained, random or from a file; failed downloads; keys."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from small_network import DATASET, OTHER, OWN, Intruder, Net, architecture, chosen, equal, trained
from torchvision import models

from benchsuite import (
    Architecture,
    Input,
    Mini,
    Optimizer,
    Recipe,
    Schedule,
    Transform,
    UnknownName,
    Weights,
    WeightsError,
    load_plugins,
)
from benchsuite.models.state_dict import save_state
from benchsuite.models.weights import build, check_transforms, choose, trained_path, transformed
from benchsuite.specs.dataset import recipe_for
from benchsuite.specs.parameters import bind_transform


def declared(name: str = "first", **fields: Any) -> Weights:
    given = {"load": lambda: trained().state_dict(), "preprocess": OWN, "classes": 5, "source": "made here"}
    return Weights(name, **(given | fields))


RECIPE = Recipe(
    name="r",
    dataset="digits",
    preprocess=OTHER,
    epochs=1,
    batch_size=8,
    optimizer=Optimizer("adamw", 0.1),
    schedule=Schedule(),
    sizes=(32,),
    source="source",
    expected="all",
    cost="a second",
)


def test_the_first_declared_weights_are_the_default() -> None:
    it = architecture(declared(preprocess=OTHER), declared("second"))
    found = choose(it, DATASET, None, 0)
    assert (found.label, found.preprocess) == ("first", OTHER)
    assert choose(it, DATASET, "second", 0).preprocess == OWN
    assert found.key != choose(it, DATASET, "second", 0).key
    assert equal(build(it, found, 99), trained().state_dict())


def test_declared_weights_decide_the_number_of_classes() -> None:
    it = architecture(declared(classes=3, load=lambda: trained(3).state_dict()))
    assert build(it, choose(it, DATASET, None, 0), 99).fc.out_features == 3


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("frist", "did you mean 'first'?"),
        ("timm.a1_in1k", "did you mean 'timm.a2_in1k'?"),
        ("q", "known: first, random"),
    ],
)
def test_an_unknown_name_suggests_the_nearest(asked: str, said: str) -> None:
    it = architecture(declared(), *([declared("timm.a2_in1k")] if "timm" in asked else []))
    with pytest.raises(UnknownName) as error:
        choose(it, DATASET, asked, 0)
    assert said in str(error.value)
    assert "weights of net" in str(error.value)


@pytest.mark.parametrize("asked", ["here.pth", "~/there.safetensors", "a/b", "x.pth.tar", "net.PT"])
def test_a_file_that_is_not_there_is_no_misspelt_name(asked: str) -> None:
    with pytest.raises(WeightsError, match=f"Expected --weights to be a name or a file, got {asked}, which is no file"):
        choose(architecture(declared()), DATASET, asked, 0)


def test_a_network_without_weights_says_what_to_give() -> None:
    with pytest.raises(WeightsError, match=r"declares no weights. Give a file \(.pth, .pt, .safetensors\) or random"):
        choose(architecture(), DATASET, None, 0)
    with pytest.raises(WeightsError, match="declares none for pictures"):
        choose(architecture(declared()), dataclasses.replace(DATASET, preprocess=OTHER), None, 0)


def test_a_dataset_with_a_recipe_is_trained_on_unless_weights_are_named() -> None:
    dataset = dataclasses.replace(DATASET, recipe=RECIPE, preprocess=OTHER)
    found = choose(architecture(declared()), dataset, None, 0)
    assert (found.recipe, found.preprocess) == (RECIPE, OTHER)
    assert found.path == trained_path(architecture(), RECIPE)
    assert choose(architecture(declared()), dataset, "first", 0).recipe is None
    assert choose(architecture(declared()), dataset, "random", 0).recipe is None


def test_trained_weights_have_the_preprocessing_of_their_recipe_and_a_network_with_its_own_keeps_that() -> None:
    usual, own = dataclasses.replace(OTHER, resize=40, crop=40), dataclasses.replace(OWN, mean=(0.1, 0.2, 0.3))
    both = [dataclasses.replace(DATASET, recipe=RECIPE, preprocess=how) for how in (OTHER, usual, None)]
    found = [choose(architecture(), dataset, None, 0) for dataset in both]
    assert [one.preprocess for one in found] == [OTHER] * 3
    assert [one.origin for one in found] == ["the usual one of pictures", "the recipe r", "the recipe r"]
    assert choose(architecture(), both[1], "random", 0).preprocess == usual
    always = dataclasses.replace(architecture(), preprocess=own, preprocessing="always")
    mine = choose(always, both[1], None, 0)
    assert (mine.preprocess, mine.origin) == (own, always.name)
    assert mine.recipe is not None
    assert (mine.recipe.preprocess, mine.recipe.sizes) == (own, (own.crop,))


def test_a_network_of_fixed_size_is_trained_at_its_own(tmp_path: Path) -> None:
    dataset = dataclasses.replace(DATASET, recipe=RECIPE, preprocess=OTHER)
    fixed = dataclasses.replace(architecture(), input=Input(fixed=True))
    found = choose(fixed, dataset, None, 0)
    assert found.preprocess == dataclasses.replace(OTHER, resize=32, crop=32)
    assert found.recipe == dataclasses.replace(RECIPE, preprocess=found.preprocess, sizes=(32,))
    assert choose(fixed, dataset, "random", 0).preprocess == found.preprocess


def test_a_residual_network_is_trained_by_the_recipe_for_such_networks_if_there_is_one() -> None:
    residual = dataclasses.replace(architecture(), residual=True)
    plain = dataclasses.replace(DATASET, recipe=RECIPE)
    both = dataclasses.replace(plain, residual_recipe=dataclasses.replace(RECIPE, name="resting", resting=0.5))
    names = [[recipe_for(dataset, one) for one in (architecture(), residual)] for dataset in (DATASET, plain, both)]
    assert names == [[None, None], [RECIPE, RECIPE], [RECIPE, both.residual_recipe]]
    assert choose(residual, dataclasses.replace(both, preprocess=OTHER), None, 0).recipe == both.residual_recipe


def test_the_place_of_trained_weights_depends_on_network_and_recipe(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path))
    family = Architecture("timm:resnet18.a1", Net, OWN)
    places = [
        trained_path(architecture(), RECIPE),
        trained_path(architecture(), dataclasses.replace(RECIPE, epochs=2)),
        trained_path(family, RECIPE),
    ]
    assert len(set(places)) == 3
    assert all(p.parent == tmp_path / "weights" and ":" not in p.name for p in places)


def test_words_about_a_recipe_do_not_train_it_again(monkeypatch: Any, tmp_path: Path) -> None:
    monkeypatch.setenv("BENCHSUITE_CACHE", str(tmp_path))
    words = {"source": "another", "expected": "less", "cost": "an hour", "note": "measured"}
    told = dataclasses.replace(RECIPE, **words, accounting="exact-best", count_batch=10, mini=Mini(2))
    assert trained_path(architecture(), told) == trained_path(architecture(), RECIPE)
    chosen = [
        choose(architecture(), dataclasses.replace(DATASET, recipe=recipe, preprocess=OTHER), None, 0)
        for recipe in (RECIPE, told, dataclasses.replace(RECIPE, seed=1))
    ]
    assert chosen[0].key == chosen[1].key != chosen[2].key


def test_random_weights_are_those_of_their_seed() -> None:
    it = architecture(declared())
    one, again, other = (build(it, choose(it, DATASET, "random", s), 7).state_dict() for s in (3, 3, 4))
    assert one["fc.weight"].shape == (7, 4)
    assert all(torch.equal(one[n], again[n]) for n in one)
    assert not torch.equal(one["conv.weight"], other["conv.weight"])
    assert choose(it, DATASET, "random", 3).label == "random (seed 3)"
    assert choose(it, DATASET, "random", 3).key != choose(it, DATASET, "random", 4).key


def times(module: Any, image: Any, *, by: int = 2) -> None:
    """Multiplies the convolution, and records what it was given."""
    assert not torch.is_grad_enabled()
    SEEN.append((module.training, tuple(image.shape), bool(image.any())))
    module.conv.weight *= by


SEEN: list[tuple[bool, tuple[int, ...], bool]] = []
TIMES = Transform("times", times, note="n", source="s")


def bound(*texts: str) -> list[Transform]:
    return [bind_transform(text, lambda _: TIMES) for text in texts]


def test_transforms_are_in_the_label_and_the_key_in_order() -> None:
    it = choose(architecture(declared()), DATASET, None, 0)
    assert transformed(it, (), ()) == it
    one = transformed(it, bound("times"), ["mine"])
    both, swapped = (
        transformed(it, bound(*texts), ["mine"] * 2) for texts in (("times", "times:by=3"), ("times:by=3", "times"))
    )
    assert (one.label, both.label) == ("first, times:by=2", "first, times:by=2, times:by=3")
    assert one.key == f"{it.key}, times:by=2 of mine"
    other = transformed(it, bound("times"), ["mine 2.0"])
    assert len({it.key, one.key, other.key, both.key, swapped.key}) == 5


def test_transforms_change_weights_of_every_source_after_they_are_loaded(tmp_path: Path) -> None:
    save_state(tmp_path / "a.safetensors", trained(), OWN)
    it = architecture(declared())
    for source in (None, "random", str(tmp_path / "a.safetensors")):
        chosen = choose(it, DATASET, source, 3)
        SEEN.clear()
        wanted = build(it, chosen, 5).state_dict()
        wanted["conv.weight"] = wanted["conv.weight"] * 2 * 3
        made = build(it, transformed(chosen, bound("times", "times:by=3"), ["mine"] * 2), 5)
        assert equal(made, wanted)
        assert SEEN == [(False, (1, 3, 32, 32), False)] * 2


def test_transforms_of_weights_that_are_not_trained_yet_are_tried_on_new_ones() -> None:
    dataset = dataclasses.replace(DATASET, recipe=RECIPE, preprocess=OTHER)
    it = architecture()
    chosen = transformed(choose(it, dataset, None, 0), bound("times"), ["mine"])
    SEEN.clear()
    check_transforms(it, chosen, 5)
    assert SEEN == [(False, (1, 3, 36, 36), False)]


def fails(module: Any, image: Any) -> None:
    raise AttributeError("'Net' object has no attribute 'stem'\nmore")


def refuses(module: Any, image: Any) -> None:
    raise WeightsError("Expected a network to be deep, got one layer")


def breaks(module: Any, image: Any) -> None:
    module.fc.bias /= 0


@pytest.mark.parametrize(
    ("apply", "message"),
    [
        (fails, "Expected a transform to be possible for the network, got 'Net' object has no attribute 'stem' (net, "),
        (refuses, "Expected a network to be deep, got one layer [net, --transform t]"),
        (breaks, "Expected the weights after a transform to be finite, got others in fc.bias (net, --transform t)"),
    ],
)
def test_a_transform_that_fails_is_one_line_with_its_name_and_that_of_the_network(
    apply: Callable[..., None], message: str
) -> None:
    it = architecture(declared())
    chosen = transformed(choose(it, DATASET, None, 0), [Transform("t", apply, "n", "s")], ["mine"])
    with pytest.raises(WeightsError) as caught:
        build(it, chosen, 5)
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


def test_numbers_that_were_infinite_before_a_transform_may_stay_so() -> None:
    state = trained().state_dict()
    state["bn.running_mean"][0] = torch.inf
    it = architecture(declared(load=lambda: state))
    made = build(it, transformed(choose(it, DATASET, None, 0), bound("times"), ["mine"]), 5)
    assert torch.equal(made.conv.weight, state["conv.weight"] * 2)


def test_the_key_of_a_file_is_its_content(tmp_path: Path) -> None:
    for name in ("a.safetensors", "b.safetensors"):
        save_state(tmp_path / name, trained(), OTHER)
    save_state(tmp_path / "c.safetensors", trained(), OWN)
    a, b, c = (chosen(tmp_path / f"{n}.safetensors").key for n in "abc")
    assert a == b != c


def test_a_download_that_fails_is_one_line_with_the_file_and_its_place(capsys: Any) -> None:
    def unreachable() -> Any:
        print("Downloading: something")
        raise urllib.error.URLError(OSError(-2, "Name or service not known"))

    it = architecture(declared(load=unreachable, file="Download X and put it in Y"))
    with pytest.raises(WeightsError) as error:
        build(it, choose(it, DATASET, None, 0), 5)
    line = str(error.value)
    assert line.startswith(
        "Cannot get the weights first of net: <urlopen error [Errno -2] Name or service not known>. "
    )
    assert line.endswith("Download X and put it in Y")
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "Downloading: something\n")


def test_an_error_of_many_lines_or_none_becomes_one() -> None:
    for error, said in ((RuntimeError("\n one.\ntwo"), "one. Z"), (RuntimeError(), "RuntimeError. Z")):

        def fail(error: Exception = error) -> Any:
            raise error

        it = architecture(declared(load=fail, file="Z"))
        with pytest.raises(WeightsError) as caught:
            build(it, choose(it, DATASET, None, 0), 5)
        assert str(caught.value) == f"Cannot get the weights first of net: {said}"


def test_an_interrupt_while_downloading_is_no_error_of_the_weights() -> None:
    def interrupted() -> Any:
        raise KeyboardInterrupt

    it = architecture(declared(load=interrupted))
    with pytest.raises(KeyboardInterrupt):
        build(it, choose(it, DATASET, None, 0), 5)


OFFLINE = """
import sys, time
from benchsuite import WeightsError, load_plugins
from benchsuite.models.weights import ChosenWeights, build
architecture = load_plugins(entry_points=False).architecture(sys.argv[1])
weights = next(w for w in architecture.weights if w.name == sys.argv[2])
import timm, torchvision
start = time.perf_counter()
try:
    build(architecture, ChosenWeights(weights.name, "", weights.preprocess, declared=weights), 1000)
except WeightsError as error:
    print(time.perf_counter() - start, file=sys.stderr)
    print(error, file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("name", "weights", "host", "file"),
    [
        ("resnet18", "IMAGENET1K_V1", "download.pytorch.org", "resnet18-f37072fd.pth"),
        ("resnet18", "timm.a1_in1k", "huggingface.co", "resnet18.a1_in1k.safetensors"),
        ("resnet20", "akamaster", "github.com", "resnet20-12fca82f.th"),
    ],
)
def test_without_a_network_it_ends_in_seconds(name: str, weights: str, host: str, file: str, isolated: Path) -> None:
    """A proxy that refuses every connection simulates a machine without a network."""
    import os

    closed = "http://127.0.0.1:9"
    names = ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")
    environment = os.environ | dict.fromkeys(names, closed) | {"no_proxy": "", "NO_PROXY": ""}
    done = subprocess.run(
        [sys.executable, "-c", OFFLINE, name, weights], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == ""
    seconds, line = done.stderr.strip().splitlines()[-2:]
    assert float(seconds) < 10
    assert line.startswith(f"Cannot get the weights {weights} of {name}: no connection to {host} (")
    assert file in line
    assert "Download https://" in line


def test_a_silent_server_is_not_waited_for(monkeypatch: Any) -> None:
    import socket

    from benchsuite.plugins import _pretrained

    monkeypatch.setattr(_pretrained, "PATIENCE", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.perf_counter()
        with pytest.raises(ConnectionError, match=r"no connection to 127.0.0.1:\d+ \(timed out\)"):
            _pretrained.check_connection(f"http://127.0.0.1:{silent.getsockname()[1]}/file")
        assert time.perf_counter() - start < 5


@pytest.fixture
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any attempt to reach a server fails the test."""
    import socket

    def connect(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a server was asked")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "create_connection", connect)


def built(name: str, weights: str) -> Any:
    it = load_plugins(entry_points=False).architecture(name)
    return build(it, choose(it, DATASET, weights, 0), 1000)


def test_a_file_in_the_folder_of_torch_is_used_without_a_network(isolated: Path, nobody_is_asked: None) -> None:
    folder = isolated / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.manual_seed(5)
    state = models.resnet18().state_dict()
    torch.save(state, folder / "resnet18-f37072fd.pth")
    assert equal(built("resnet18", "IMAGENET1K_V1"), state)
    assert equal(built("torchvision:resnet18", "IMAGENET1K_V1"), state)


def test_a_file_in_benchsuites_cache_is_used_for_timm_without_a_network(isolated: Path, nobody_is_asked: None) -> None:
    folder = isolated / "cache" / "weights" / "timm"
    folder.mkdir(parents=True)
    torch.manual_seed(5)
    state = models.resnet18().state_dict()
    save_file(state, folder / "resnet18.a1_in1k.safetensors")
    torch.save(state, folder / "resnet18.a2_in1k.pth")
    assert equal(built("resnet18", "timm.a1_in1k"), state)
    assert equal(built("resnet18", "timm.a2_in1k"), state)
    assert equal(built("timm:resnet18.a1_in1k", "a1_in1k"), state)


def test_the_checkpoint_of_a_cifar_resnet_is_unwrapped(isolated: Path, nobody_is_asked: None) -> None:
    folder = isolated / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    it = load_plugins(entry_points=False).architecture("resnet20")
    torch.manual_seed(5)
    state = it.build(10).state_dict()
    content = {"state_dict": {f"module.{n}": t for n, t in state.items()}, "best_prec1": 91.7}
    torch.save(content, folder / "resnet20-12fca82f.th")
    assert equal(built("resnet20", "akamaster"), state)


def test_a_file_in_the_folder_of_torch_that_would_run_code_is_refused(isolated: Path, nobody_is_asked: None) -> None:
    folder = isolated / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    trace = isolated / "ran"
    torch.save({"conv1.weight": Intruder(trace)}, folder / "resnet18-f37072fd.pth")
    with pytest.raises(WeightsError, match="could run code"):
        built("resnet18", "IMAGENET1K_V1")
    assert not trace.exists()
