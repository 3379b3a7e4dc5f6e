"""Tests of finding plugins: installed ones, broken ones, and names that two plugins use."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import toys
from toys import ToyPlugin

from benchsuite import (
    Architecture,
    BadParameter,
    BenchsuiteError,
    Catalog,
    Combine,
    DataError,
    Family,
    PluginError,
    Protocol,
    Transform,
    UnknownName,
    hookimpl,
    load_plugins,
    perturbing,
    unknown_name,
)
from benchsuite.contract import first_fault
from benchsuite.specs import hookspecs
from benchsuite.specs.catalog import check_name

DIST_INFO = "Metadata-Version: 2.1\nName: {name}\nVersion: 1.2.3\n"
PLUGIN = """
import dataclasses
from benchsuite import Combine, Protocol, center, hookimpl

@hookimpl
def benchsuite_protocols():
    return [Protocol({protocol!r}, lambda preprocess: (center(preprocess),), Combine(), note="n", source="s")]
"""


def plugin(**hooks: Callable[[], object]) -> object:
    """A plugin with the given hooks: ``plugin(benchsuite_protocols=lambda: [...])``."""
    return SimpleNamespace(**{name: hookimpl(function) for name, function in hooks.items()}, __name__="made-up")


def install(folder: Path, name: str, source: str) -> None:
    """A distribution ``name`` 1.2.3 in ``folder`` with the module ``name_plugin`` behind an entry point ``name``."""
    info = folder / f"{name}-1.2.3.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(DIST_INFO.format(name=name))
    (info / "entry_points.txt").write_text(f"[benchsuite]\n{name} = {name}_plugin\n")
    (folder / f"{name}_plugin.py").write_text(source)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder on the import path; modules imported from it are removed afterwards."""
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    for module in [m for m in sys.modules if m.endswith("_plugin")]:
        del sys.modules[module]


def test_the_built_in_plugins_are_found_and_none_is_broken() -> None:
    found = load_plugins(entry_points=False)
    assert found.broken == ()
    names = {"1crop", "10crop", "multicrop", "fullconv", "multiscale", "tta", "ensemble"}
    assert names <= set(found.protocols)
    assert found.owner("protocol", "10crop") == "benchsuite.protocols.ten_crop"
    assert list(found.protocols) == sorted(found.protocols)


def test_every_call_makes_a_new_catalog() -> None:
    assert "toy" in load_plugins(entry_points=False, extra=[ToyPlugin()]).protocols
    assert "toy" not in load_plugins(entry_points=False).protocols


def test_an_extra_plugin_of_every_kind_is_found() -> None:
    found = load_plugins(entry_points=False, extra=[ToyPlugin()])
    assert found.architecture("toy") is toys.ARCHITECTURE
    assert found.find("protocol", "toy") is toys.PROTOCOL
    assert found.find("dataset", "toy") is toys.DATASET
    assert found.find("loader", "toy") is toys.LOADER
    assert found.find("reporter", "toy") is toys.REPORTER
    assert found.find("transform", "redder") is toys.TRANSFORM
    assert found.owner("transform", "redder:by=3") == "toys (extra 1)"
    for kind in ("architecture", "protocol", "dataset", "loader", "reporter"):
        assert found.owner(kind, "toy") == "toys (extra 1)"


def test_a_loader_may_be_asked_to_keep_its_images() -> None:
    found = load_plugins(entry_points=False, extra=[ToyPlugin()])
    assert found.loader("toy") is toys.LOADER
    assert found.loader("toy,resident") == dataclasses.replace(toys.LOADER, resident=True)
    with pytest.raises(UnknownName, match=r"^Unknown loader 'tort': did you mean 'torch'"):
        found.loader("tort,resident")
    for text in ("toy,", "toy,kept", "toy,resident,resident"):
        with pytest.raises(BadParameter, match=rf"the option of a loader to be resident, got .* \({text}\)$"):
            found.loader(text)


def test_two_plugins_with_one_name_are_both_named() -> None:
    class OtherPlugin:
        __name__ = "other"

        @hookimpl
        def benchsuite_protocols(self) -> list[Protocol]:
            return [toys.PROTOCOL]

    with pytest.raises(PluginError) as caught:
        load_plugins(entry_points=False, extra=[ToyPlugin(), OtherPlugin()])
    text = str(caught.value)
    assert text.startswith("Two plugins declare the protocol 'toy'")
    assert "toys (extra 1)" in text
    assert "other (extra 2)" in text


def test_a_plugin_cannot_take_the_name_of_a_built_in_one() -> None:
    mine = dataclasses.replace(toys.PROTOCOL, name="10crop")
    with pytest.raises(PluginError, match=r"benchsuite\.protocols\.ten_crop"):
        load_plugins(entry_points=False, extra=[plugin(benchsuite_protocols=lambda: [mine])])


def test_one_name_for_two_kinds_is_no_clash() -> None:
    found = load_plugins(entry_points=False, extra=[ToyPlugin()])
    assert isinstance(found.architecture("toy"), Architecture)
    assert isinstance(found.find("protocol", "toy"), Protocol)


def test_a_misspelt_hook_is_an_error_that_lists_the_hooks() -> None:
    with pytest.raises(PluginError) as caught:
        load_plugins(entry_points=False, extra=[plugin(benchsuite_protocol=lambda: [])])
    text = str(caught.value)
    assert "'benchsuite_protocol'" in text
    assert "made-up" in text
    assert "benchsuite_architectures, benchsuite_protocols, benchsuite_datasets" in text
    assert "\n" not in text


def test_a_hook_with_an_argument_is_one_line_that_names_plugin_and_hook() -> None:
    with pytest.raises(PluginError) as caught:
        load_plugins(entry_points=False, extra=[plugin(benchsuite_protocols=lambda catalog: [])])  # type: ignore[misc]
    text = str(caught.value)
    assert "made-up (extra 1)" in text
    assert "benchsuite_protocols" in text
    assert "catalog" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("hook", "value", "said"),
    [
        ("benchsuite_protocols", None, "Expected the return value to be a list of Protocol, got None"),
        (
            "benchsuite_protocols",
            toys.PROTOCOL,
            "Expected the return value to be a list of Protocol, got one Protocol",
        ),
        ("benchsuite_protocols", [toys.DATASET], "Expected each value to be a Protocol, got Dataset"),
        ("benchsuite_protocols", "10crop", "Expected each value to be a Protocol, got 1"),
        ("benchsuite_architectures", [3], "Expected each value to be an Architecture, got 3"),
        ("benchsuite_datasets", {"toy": toys.DATASET}, "Expected each value to be a Dataset, got toy"),
        ("benchsuite_transforms", [toys.redder], "Expected each value to be a Transform, got <function redder"),
    ],
)
def test_a_wrong_return_value_names_plugin_and_hook(hook: str, value: object, said: str) -> None:
    with pytest.raises(PluginError) as caught:
        load_plugins(entry_points=False, extra=[plugin(**{hook: lambda: value})])
    text = str(caught.value)
    assert text.startswith(said)
    assert f"hook {hook} of plugin made-up (extra 1)" in text
    assert "\n" not in text


def test_a_function_with_the_name_of_a_hook_that_is_not_decorated_is_an_error() -> None:
    forgotten = SimpleNamespace(benchsuite_protocols=lambda: [toys.PROTOCOL], __name__="made-up")
    with pytest.raises(PluginError) as caught:
        load_plugins(entry_points=False, extra=[forgotten])
    said = "Expected the hook benchsuite_protocols to be decorated with hookimpl, got a plain function"
    assert str(caught.value) == f"{said} (plugin made-up (extra 1))"


def test_an_installed_plugin_without_hooks_is_named_and_the_others_work(site: Path) -> None:
    install(site, "forgetful", "def protocols():\n    return []\n")
    found = load_plugins()
    assert ("forgetful (forgetful 1.2.3)", "no hooks, such as benchsuite_architectures, decorated with hookimpl") in (
        found.broken
    )
    assert "10crop" in found.protocols


@pytest.mark.parametrize(
    ("hook", "value", "said"),
    [
        ("protocol", dataclasses.replace(toys.PROTOCOL, combine="mean"), "combine of the protocol toy to be a Combine"),
        (
            "architecture",
            dataclasses.replace(toys.ARCHITECTURE, weights=[*toys.ARCHITECTURE.weights]),
            "weights of the architecture toy to be a tuple of Weights",
        ),
        (
            "architecture",
            dataclasses.replace(
                toys.ARCHITECTURE, preprocess=dataclasses.replace(toys.ARCHITECTURE.preprocess, interpolation="bilinar")
            ),
            "preprocess.interpolation of the architecture toy to be one of nearest, bilinear, bicubic",
        ),
        ("dataset", dataclasses.replace(toys.DATASET, open="folder"), "open of the dataset toy to be a function"),
        ("loader", dataclasses.replace(toys.LOADER, exact="yes"), "exact of the loader toy to be True or False"),
    ],
)
def test_a_field_of_another_type_names_plugin_hook_and_field(hook: str, value: object, said: str) -> None:
    with pytest.raises(PluginError) as caught:
        load_plugins(entry_points=False, extra=[plugin(**{f"benchsuite_{hook}s": lambda: [value]})])
    text = str(caught.value)
    assert text.startswith(f"Expected {said}")
    assert text.endswith(f"(hook benchsuite_{hook}s of plugin made-up (extra 1))")
    assert len(text) < 300


def test_all_fields_of_the_built_in_values_have_the_declared_types() -> None:
    """Built-in values are not checked at each start."""
    found = load_plugins(entry_points=False)
    kinds = found.architectures, found.protocols, found.datasets, found.loaders, found.reporters, found.transforms
    for declared in kinds:
        for name, value in declared.items():
            assert first_fault(value) is None, name


def test_a_parameter_without_a_default_names_plugin_and_parameter() -> None:
    def change(*, by: int) -> object:
        return by

    odd = perturbing("odd", change, note="n", source="s")  # type: ignore[arg-type]
    with pytest.raises(PluginError, match=r"parameter by of the protocol odd to be given a default, got none \(hook"):
        load_plugins(entry_points=False, extra=[plugin(benchsuite_protocols=lambda: [odd])])


def test_a_data_set_that_cannot_be_opened_names_its_plugin() -> None:
    def fails(path: str | None, split: str) -> object:
        raise KeyError("labels")

    for function, said in (
        (fails, r"to be without an error, got KeyError: 'labels'$"),
        (lambda path, split: [1], r"returns to be a Split, got \[1\]$"),
        (lambda path: None, r"to be without an error, got TypeError: .*takes 1 positional argument"),
    ):
        odd = dataclasses.replace(toys.DATASET, open=function)
        found = load_plugins(entry_points=False, extra=[plugin(benchsuite_datasets=lambda odd=odd: [odd])])
        found = dataclasses.replace(found, datasets={"toy": odd})
        with pytest.raises(PluginError, match=rf"open of the data set toy, plugin made-up \(extra 1\),.* {said}"):
            found.open_dataset("toy")


def test_a_hook_that_fails_is_one_line_that_names_plugin_and_hook() -> None:
    def fails() -> list[Protocol]:
        raise OSError("no\nsuch thing")

    with pytest.raises(PluginError) as caught:
        load_plugins(entry_points=False, extra=[plugin(benchsuite_protocols=fails)])
    said = "The hook benchsuite_protocols of plugin made-up (extra 1) failed: OSError: no such thing"
    assert str(caught.value) == said


def test_a_hook_may_be_a_generator() -> None:
    def made() -> Iterator[Protocol]:
        yield toys.PROTOCOL

    found = load_plugins(entry_points=False, extra=[plugin(benchsuite_protocols=made)])
    assert found.protocols["toy"] is toys.PROTOCOL


def test_a_name_that_cannot_be_typed_is_refused_with_its_plugin() -> None:
    odd = dataclasses.replace(toys.PROTOCOL, name="ten crop")
    with pytest.raises(BenchsuiteError, match=r"letters, digits and \. _ -, got ten crop .*made-up"):
        load_plugins(entry_points=False, extra=[plugin(benchsuite_protocols=lambda: [odd])])


def test_an_installed_distribution_is_found_by_its_entry_point(site: Path) -> None:
    install(site, "crops", PLUGIN.format(protocol="my-crops"))
    found = load_plugins()
    assert found.owner("protocol", "my-crops") == "crops (crops 1.2.3)"
    assert "my-crops" not in load_plugins(entry_points=False).protocols


def test_a_distribution_that_fails_to_import_is_reported_and_the_rest_works(site: Path) -> None:
    install(site, "good", PLUGIN.format(protocol="good"))
    install(site, "bad", "import no_such_module_anywhere")
    install(site, "ugly", "raise RuntimeError('two\\nlines')")
    found = load_plugins()
    assert "good" in found.protocols
    assert "10crop" in found.protocols
    assert dict(found.broken) == {
        "bad (bad 1.2.3)": "ModuleNotFoundError: No module named 'no_such_module_anywhere'",
        "ugly (ugly 1.2.3)": "RuntimeError: two lines",
    }
    with pytest.raises(UnknownName, match=r"\(not loaded: bad \(bad 1\.2\.3\), ugly \(ugly 1\.2\.3\)\)"):
        found.find("protocol", "best")


def test_two_distributions_with_one_name_are_both_named(site: Path) -> None:
    install(site, "first", PLUGIN.format(protocol="same"))
    install(site, "second", PLUGIN.format(protocol="same"))
    with pytest.raises(PluginError, match="Two plugins declare the protocol 'same'") as caught:
        load_plugins()
    assert "first (first 1.2.3)" in str(caught.value)
    assert "second (second 1.2.3)" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "name", "near"),
    [
        ("protocol", "10corp", "10crop"),
        ("dataset", "tyo", "toy"),
        ("loader", "TOY", "toy"),
        ("reporter", "toyy", "toy"),
        ("transform", "redr", "redder"),
    ],
)
def test_an_unknown_name_suggests_the_nearest_one(kind: str, name: str, near: str) -> None:
    found = load_plugins(entry_points=False, extra=[ToyPlugin()])
    with pytest.raises(UnknownName, match=rf"^Unknown {kind} '{name}': did you mean '{near}'\?$"):
        found.find(kind, name)


def test_an_architecture_may_come_from_a_family() -> None:
    def resolve(name: str) -> Architecture:
        if name != "toy":
            raise unknown_name("network of lib", name, ["toy"])
        return dataclasses.replace(toys.ARCHITECTURE, name="lib:toy")

    family = Family("lib", resolve, lambda: ["toy"])
    mine = plugin(benchsuite_architectures=lambda: [family, toys.ARCHITECTURE])
    found = load_plugins(entry_points=False, extra=[mine])
    assert found.architecture("lib:toy").name == "lib:toy"
    assert found.owner("architecture", "lib:toy") == "made-up (extra 1)"
    with pytest.raises(UnknownName, match="Unknown network of lib 'tyo': did you mean 'toy'"):
        found.architecture("lib:tyo")
    with pytest.raises(UnknownName, match="Unknown architecture or family 'lub': did you mean 'lib'"):
        found.architecture("lub:toy")
    with pytest.raises(UnknownName, match="Unknown architecture 'tooy': did you mean 'toy'"):
        found.architecture("tooy")
    with pytest.raises(UnknownName, match="Unknown architecture 'lib'"):
        found.architecture("lib")
    with pytest.raises(UnknownName, match=r"^Unknown architecture 'lib/toy.a1': did you mean 'lib:toy.a1'\?$"):
        found.architecture("lib/toy.a1")


def test_an_empty_catalog_knows_nothing_and_says_so() -> None:
    with pytest.raises(UnknownName, match="Unknown loader 'torch': known: none"):
        Catalog().find("loader", "torch")


def test_the_hooks_are_six_and_each_is_explained() -> None:
    hooks = [v for n, v in vars(hookspecs).items() if n.startswith("benchsuite_")]
    assert len(hooks) == 6
    assert all(hook.__doc__ for hook in hooks)


@pytest.mark.parametrize("name", ["resnet50", "resnet50.v1", "1crop", "fashion-mnist", "IMAGENET1K_V2"])
def test_a_name_that_can_be_typed_is_legal(name: str) -> None:
    check_name("architecture", name, "a test")


@pytest.mark.parametrize(
    "name", ["", "a b", "a:b", "a,b", "-a", ".hidden", "../up", "a/b", "naïve", "a\n", "a=b", "(a)"]
)
def test_a_name_that_cannot_be_typed_or_stored_is_refused(name: str) -> None:
    with pytest.raises(BadParameter, match="Expected the name of a protocol to be letters, digits") as caught:
        check_name("protocol", name, "plugin x")
    assert str(caught.value).endswith("(plugin x)")
    assert "\n" not in str(caught.value)


def untyped(first: object, *, power=2) -> object:  # type: ignore[no-untyped-def]
    """A function of a plugin whose parameter a user could write, but of which no type is known."""
    raise AssertionError(first, power)


@pytest.mark.parametrize("kind", ["architecture", "protocol", "perturbing", "transform"])
def test_a_parameter_without_a_type_is_one_line_that_names_plugin_and_parameter(kind: str) -> None:
    toy = ToyPlugin()
    made = {
        "architecture": lambda: [dataclasses.replace(toy.benchsuite_architectures()[0], build=untyped)],
        "protocol": lambda: [Protocol("odd", untyped, Combine(), note="n", source="s")],
        "perturbing": lambda: [perturbing("odd", untyped, note="n", source="s")],
        "transform": lambda: [Transform("odd", untyped, note="n", source="s")],
    }[kind]
    kind = kind.replace("perturbing", "protocol")
    with pytest.raises(PluginError, match=f"the parameter power of the {kind} .* annotated") as caught:
        load_plugins(entry_points=False, extra=[plugin(**{f"benchsuite_{kind}s": made})])
    assert "plugin made-up" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_alone_is_told_apart_from_a_misspelt_name(tmp_path: Path) -> None:
    for text in (str(tmp_path), "gone/val", "./photos", "."):
        with pytest.raises(DataError, match=f"got a path alone .imagenet:{text} for ImageNet, folder:{text} for"):
            load_plugins().open_dataset(text)
    with pytest.raises(UnknownName, match="did you mean 'imagenet'"):
        load_plugins().open_dataset("imagnet")
