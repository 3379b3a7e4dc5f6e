"""Loads all plugins, checks the values that they declare, and looks names up."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from benchsuite import installed
from benchsuite.contract import call, first_fault, with_article
from benchsuite.errors import BadParameter, DataError, PluginError, UnknownName, expected, unknown_name
from benchsuite.specs import hookspecs, parameters
from benchsuite.specs.architecture import Architecture, Family, Transform
from benchsuite.specs.dataset import Dataset, Split, SplitName, split_conversion, with_conversion
from benchsuite.specs.loader import Loader
from benchsuite.specs.parameters import Bound
from benchsuite.specs.protocol import Protocol
from benchsuite.specs.recipe import Options
from benchsuite.specs.reporter import Reporter

T = TypeVar("T")

BUILT_IN = (
    "benchsuite.plugins",
    "benchsuite.protocols",
    "benchsuite.builtin.datasets",
    "benchsuite.builtin.variants",
    "benchsuite.builtin.loaders",
    "benchsuite.builtin.reporters",
)
GROUP = "benchsuite"
HOOKS = tuple(name for name in vars(hookspecs) if name.startswith(f"{GROUP}_"))
LOCAL = "file"
"""The family of ``PATH.py:FUNCTION``, which is written without its prefix."""


@dataclass(frozen=True)
class Catalog:
    """All declared values by name. ``broken`` holds the plugins that could not be loaded, as (plugin, reason)."""

    architectures: Mapping[str, Architecture | Family] = field(default_factory=dict)
    protocols: Mapping[str, Protocol] = field(default_factory=dict)
    datasets: Mapping[str, Dataset] = field(default_factory=dict)
    loaders: Mapping[str, Loader] = field(default_factory=dict)
    reporters: Mapping[str, Reporter] = field(default_factory=dict)
    transforms: Mapping[str, Transform] = field(default_factory=dict)
    owners: Mapping[tuple[str, str], str] = field(default_factory=dict)
    broken: tuple[tuple[str, str], ...] = ()

    def architecture(self, name: str, preset: Options = ()) -> Architecture:
        """The architecture of that name; ``PREFIX:NAME`` is one of a family, ``NAME:OPTION=VALUE,...`` sets options.

        ``PATH.py:FUNCTION`` and ``PATH.py:FUNCTION:OPTION=VALUE,...`` are of the family ``file``.

        ``preset`` are options of a recipe; options in the name replace them. Raises ``UnknownName``, and
        ``BadParameter`` for options that are not possible.
        """
        prefix, colon, rest = name.partition(":")
        families = {f.prefix: f for f in self.architectures.values() if isinstance(f, Family)}
        if prefix.endswith(".py") and LOCAL in families:
            function, _, tail = rest.partition(":")
            found = families[LOCAL].resolve(f"{prefix}:{function}")
            return parameters.bind_architecture(f"{LOCAL}:{tail}" if tail else LOCAL, lambda _: found, preset)
        if colon and prefix in families:
            return families[prefix].resolve(rest)
        if colon and prefix not in self.architectures:
            raise unknown_name("architecture or family", prefix, {*families, *self.architectures})
        return parameters.bind_architecture(name, self._plain_architecture, preset)

    def _plain_architecture(self, name: str) -> Architecture:
        architecture = self.architectures.get(name)
        if not isinstance(architecture, Architecture):
            family, slash, rest = name.partition("/")
            if slash and isinstance(self.architectures.get(f"{family}:NAME"), Family):
                raise UnknownName(f"Unknown architecture {name!r}: did you mean '{family}:{rest}'?")
            raise unknown_name("architecture", name, self.architectures, self._broken_hint())
        return architecture

    def find(self, kind: str, name: str) -> Any:
        """The protocol, dataset, loader, reporter or transform of that name. Raises ``UnknownName``."""
        known = getattr(self, f"{kind}s")
        if name not in known:
            raise unknown_name(kind, name, known, self._broken_hint())
        return known[name]

    def loader(self, text: str) -> Loader:
        """``ffcv,resident`` -> the loader, which keeps its images. Raises ``UnknownName`` and ``BadParameter``."""
        name, comma, option = text.partition(",")
        found: Loader = self.find("loader", name)
        if comma and option != "resident":
            raise BadParameter(expected("the option of a loader", "resident", repr(option), text))
        return dataclasses.replace(found, resident=True) if comma else found

    def protocol(self, text: str) -> Bound:
        """``10crop:flip=false`` -> the protocol with these parameters. Raises ``UnknownName`` and ``BadParameter``."""
        return parameters.bind(text, partial(self.find, "protocol"))

    def transform(self, text: str) -> Transform:
        """``smooth:rho=2`` -> the transform with these parameters. Raises ``UnknownName`` and ``BadParameter``."""
        return parameters.bind_transform(text, lambda name: self.find("transform", name))

    def open_dataset(self, text: str, part: SplitName = "test") -> tuple[Dataset, Split]:
        """``imagenet:PATH`` -> the dataset and its opened split ``part``.

        ``,depth=scale`` and ``,alpha=white`` or ``black`` choose a ``Conversion``. Raises ``UnknownName`` and
        ``BadParameter``; ``DataError`` also for a split without images or with a label that no answer can have, and
        for a sample that does not have a value for each group.
        """
        text, conversion = split_conversion(text)
        name, colon, path = text.partition(":")
        if "/" in name or name in (".", ".."):
            remedy = f"imagenet:{name} for ImageNet, folder:{name} for class folders; `data check` of them tells"
            raise DataError(expected("a data set", "NAME or NAME:PATH", "a path alone", remedy))
        dataset: Dataset = self.find("dataset", name)
        if dataset.path == "required" and not path:
            once = f"`benchsuite data add {name} PATH`, once, makes {name} enough"
            hint = "; ".join(filter(None, (once, dataset.download)))
            raise DataError(f"Expected {name}:PATH, got {name!r} without a path ({hint})")
        if dataset.path == "none" and colon:
            raise DataError(expected("the data set", f"{name} without a path, because it is embedded", text))
        opening = f"open of the data set {name}, plugin {self.owner('dataset', name)},"
        opened = call(opening, Split, dataset.open, path or None, part)
        split = with_conversion(opened, conversion)
        if not split.samples:
            raise DataError(expected("the data set", "at least one image", "none", text))
        possible = set(split.among or range(len(split.classes)))
        for sample in split.samples:
            if sample.label not in possible:
                rule = f"one of the {len(possible)} classes that an answer can have"
                raise DataError(expected("a label", rule, sample.label, f"{sample.where}, in {text}"))
            if len(sample.groups) != len(split.groups):
                rule = f"a value for each of {', '.join(split.groups) or 'none'}"
                raise DataError(expected("the groups", rule, sample.groups, f"{sample.where}, in {text}"))
        return dataset, split

    def owner(self, kind: str, name: str) -> str:
        """The plugin that declared a name, with the version of its distribution if it has one."""
        prefix = name.partition(":")[0]
        prefix = LOCAL if prefix.endswith(".py") else prefix
        return self.owners.get((kind, f"{prefix}:NAME"), "") or self.owners.get((kind, prefix), "")

    def maker(self, architecture: Architecture) -> str:
        """The plugin that declared an architecture, and its ``code`` if it has one: what its runs depend on."""
        return ", ".join(filter(None, (self.owner("architecture", architecture.name), architecture.code)))

    def _broken_hint(self) -> str:
        return f"(not loaded: {', '.join(name for name, _ in self.broken)})" if self.broken else ""


class _Manager(pluggy.PluginManager):
    """pluggy's manager, which looks closer only at those names of a module that ``hookimpl`` has marked.

    The names of all modules, looked at one by one, take a fifth of the time of ``benchsuite list``.
    """

    def parse_hookimpl_opts(self, plugin: Any, name: str) -> Any:
        if isinstance(plugin, ModuleType) and not hasattr(vars(plugin).get(name), f"{GROUP}_impl"):
            return None
        return super().parse_hookimpl_opts(plugin, name)


def load_plugins(entry_points: bool = True, extra: Sequence[object] = ()) -> Catalog:
    """Loads the built-in plugins, those of the entry-point group ``benchsuite``, and the ``extra`` objects.

    A plugin that fails to import is listed in ``Catalog.broken``; the others still work. Raises ``PluginError`` for a
    misspelt hook, a hook that returns values of another type, and a name that two plugins declare.
    """
    manager = _Manager(GROUP)
    manager.add_hookspecs(hookspecs)
    broken: list[tuple[str, str]] = []
    installed_ones = [*_installed()] if entry_points else []
    for name, load in [*_built_in(), *installed_ones, *_given(extra)]:
        try:
            plugin = load()
        except Exception as error:
            broken.append((name, " ".join(f"{type(error).__name__}: {error}".split())))
            continue
        if not name.startswith(BUILT_IN):
            _check_hooks(plugin, name)
        manager.register(plugin, name)
        if not manager.get_hookcallers(plugin) and name in {point for point, _ in installed_ones}:
            broken.append((name, f"no hooks, such as {HOOKS[0]}, decorated with hookimpl"))
    owners: dict[tuple[str, str], str] = {}
    return Catalog(
        architectures=_collect(manager, "architecture", (Architecture, Family), owners),
        protocols=_collect(manager, "protocol", (Protocol,), owners),
        datasets=_collect(manager, "dataset", (Dataset,), owners),
        loaders=_collect(manager, "loader", (Loader,), owners),
        reporters=_collect(manager, "reporter", (Reporter,), owners),
        transforms=_collect(manager, "transform", (Transform,), owners),
        owners=owners,
        broken=tuple(broken),
    )


def _built_in() -> Iterable[tuple[str, Callable[[], object]]]:
    for package in BUILT_IN:
        for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
            if not module.name.startswith("_"):
                name = f"{package}.{module.name}"
                yield name, lambda name=name: importlib.import_module(name)  # type: ignore[misc]


def _installed() -> Iterable[tuple[str, Callable[[], object]]]:
    for point in installed.entry_points(GROUP):
        yield point.owner, point.load


def _given(plugins: Iterable[object]) -> Iterable[tuple[str, Callable[[], object]]]:
    for i, plugin in enumerate(plugins, 1):
        yield f"{getattr(plugin, '__name__', type(plugin).__name__)} (extra {i})", lambda plugin=plugin: plugin  # type: ignore[misc]


def _check_hooks(plugin: object, name: str) -> None:
    """Raises ``PluginError`` for a hook that does not exist, has arguments or is not decorated.

    A hook is a function that ``hookimpl`` has marked, or one with the name of a hook. The built-in plugins have none of
    these faults.
    """
    where = f"plugin {name}"
    for attribute in dir(plugin):
        function = getattr(plugin, attribute, None)
        marked = hasattr(function, f"{GROUP}_impl")
        if not callable(function) or hasattr(function, f"{GROUP}_spec"):
            continue
        if marked and attribute not in HOOKS:
            line = str(unknown_name("hook", attribute, HOOKS, f"({where}; hooks: {', '.join(HOOKS)})"))
            raise PluginError(line)
        if attribute in HOOKS and not marked:
            raise PluginError(expected(f"the hook {attribute}", "decorated with hookimpl", "a plain function", where))
        wanted = inspect.signature(function).parameters.values() if marked else ()
        arguments = [p.name for p in wanted if p.default is inspect.Parameter.empty]
        if arguments:
            rule, got = "a function without arguments", f"one with {', '.join(arguments)}"
            raise PluginError(expected(f"the hook {attribute}", rule, got, where))


def _collect(
    manager: pluggy.PluginManager, kind: str, types: tuple[type[Any], ...], owners: dict[tuple[str, str], str]
) -> dict[str, Any]:
    declared: dict[str, Any] = {}
    hook = getattr(manager.hook, f"benchsuite_{kind}s")
    for implementation in reversed(hook.get_hookimpls()):
        owner = implementation.plugin_name
        where = f"hook benchsuite_{kind}s of plugin {owner}"
        try:
            returned = implementation.function()
            values: list[Any] | None = list(returned) if isinstance(returned, Iterable) else None
        except Exception as error:
            raise PluginError(" ".join(f"The {where} failed: {type(error).__name__}: {error}".split())) from error
        if values is None:
            got = f"one {types[0].__name__}" if isinstance(returned, types) else returned
            raise PluginError(expected("the return value", f"a list of {types[0].__name__}", got, where))
        for value in values:
            if not isinstance(value, types):
                raise PluginError(expected("each value", with_article(types[0].__name__), value, where))
            fault = None if owner.startswith(BUILT_IN) else first_fault(value)
            if fault is not None:
                what = f"{fault.field} of the {kind} {value.name}"
                raise PluginError(expected(what, fault.rule, fault.got, where))
            check_name(kind, value.prefix if isinstance(value, Family) else value.name, where)
            if value.name in declared and owners[kind, value.name] == owner:
                raise PluginError(expected(f"the {kind} {value.name}", "declared once", "twice", where))
            if value.name in declared:
                raise PluginError(
                    f"Two plugins declare the {kind} {value.name!r}: {owners[kind, value.name]} and {owner}"
                )
            _check_types(kind, value, where)
            declared[value.name] = value
            owners[kind, value.name] = owner
    return dict(sorted(declared.items()))


def _check_types(kind: str, value: Any, where: str) -> None:
    """Raises ``PluginError`` for a parameter that a user may write but that has no annotation or no default."""
    named = {"architecture": ("build",), "protocol": ("views", "perturb"), "transform": ("apply",)}
    functions = (named | {"reporter": ("export", "send")}).get(kind, ())
    for function in (getattr(value, name, None) for name in functions):
        fault = parameters.incomplete(function) if function is not None else None
        if fault is not None:
            name, rule, got = fault
            raise PluginError(expected(f"the parameter {name} of the {kind} {value.name}", rule, got, where))


NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def check_name(kind: str, name: str, owner: str) -> None:
    """Raises ``BadParameter`` for a name with other characters than letters, digits, dot, dash and underscore."""
    if not all(NAME.fullmatch(part) for part in (name.split(":", 1) if kind == "loader" else [name])):
        raise BadParameter(expected(f"the name of {with_article(kind)}", "letters, digits and . _ -", name, owner))
