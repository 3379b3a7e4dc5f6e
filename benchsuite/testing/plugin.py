"""All checks of one plugin: what it imports when it is found, and every value that it declares."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from benchsuite import installed
from benchsuite.errors import BadParameter, BenchsuiteError, DataError, PluginError, expected, first_line, unknown_name
from benchsuite.specs.catalog import GROUP, Catalog
from benchsuite.testing.architectures import check_architecture
from benchsuite.testing.datasets import check_dataset
from benchsuite.testing.defects import DEFECTS, Defect
from benchsuite.testing.loaders import check_loader
from benchsuite.testing.protocols import check_protocol
from benchsuite.testing.reporters import check_reporter
from benchsuite.testing.transforms import check_transform

CHECKS: dict[str, Callable[[Any], None]] = {
    "architecture": check_architecture,
    "protocol": check_protocol,
    "dataset": check_dataset,
    "loader": check_loader,
    "reporter": check_reporter,
    "transform": check_transform,
}
"""The check of each kind of value."""

HEAVY = ("torch", "torchvision", "timm", "transformers", "numpy", "scipy", "pandas", "pyarrow", "PIL", "sklearn")
"""Libraries that must not be imported when plugins are found: ``benchsuite list`` answers in a third of a second."""

DISCOVERY = """
import importlib, sys
import benchsuite
before = set(sys.modules)
module, _, attribute = sys.argv[1].partition(":")
plugin = importlib.import_module(module)
for part in attribute.split(".") if attribute else ():
    plugin = getattr(plugin, part)
for name in dir(plugin):
    if name.startswith("benchsuite_"):
        list(getattr(plugin, name)())
print(" ".join(name for name in sys.argv[2:] if name in sys.modules and name not in before))
"""
"""Imports a plugin, calls its hooks, and prints which of the named libraries that imported."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check: ``subject`` is what was checked, such as ``architecture my-net``.

    ``defect`` is a key of ``DEFECTS`` and ``problem`` what was expected; both are empty if the check passed.
    ``skipped`` says why a check could not be made.
    """

    subject: str
    defect: str = ""
    problem: str = ""
    skipped: str = ""

    @property
    def mend(self) -> str:
        """How to mend the defect; empty if there is none."""
        return DEFECTS.get(self.defect, "")

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.defect


@dataclass(frozen=True, slots=True)
class PluginValues:
    """A plugin: its name, ``target`` (the module, or ``module:attribute``), and the names that it declares by kind."""

    name: str
    target: str
    declared: tuple[tuple[str, str], ...]


def find_plugin(name: str, catalog: Catalog) -> PluginValues:
    """The plugin of that name: an entry point, a distribution, a module of benchsuite, or a name that it declares.

    Raises ``PluginError`` for a plugin that could not be loaded, and ``UnknownName`` with the nearest name.
    """
    targets = _targets()
    for broken, reason in catalog.broken:
        if name in _names(broken):
            raise PluginError(expected(f"the plugin {name}", "one that can be imported", reason))
    owners = dict.fromkeys(catalog.owners.values())
    found = [owner for owner in owners if name in _names(owner)]
    found = found or list(dict.fromkeys(o for (_, declared), o in catalog.owners.items() if declared == name))
    if not found:
        known = [word for owner in owners for word in _names(owner)] + [declared for _, declared in catalog.owners]
        raise unknown_name("plugin", name, known)
    if len(found) > 1:
        raise BadParameter(expected("the plugin", "one", f"{name}, declared by {' and '.join(found)}"))
    (owner,) = found
    declared = tuple(key for key, value in catalog.owners.items() if value == owner)
    return PluginValues(owner, targets.get(owner, owner), declared)


def check_plugin(name: str, catalog: Catalog) -> tuple[Finding, ...]:
    """Checks a plugin, see ``find_plugin``: one finding for its import, and one for each value that it declares."""
    plugin = find_plugin(name, catalog)
    return (check_discovery(plugin), *(check_value(kind, value, catalog) for kind, value in plugin.declared))


def check_discovery(plugin: PluginValues) -> Finding:
    """Imports the plugin in a new process and calls its hooks: neither may import a heavy library."""
    subject = f"import of {plugin.target}"
    command = [sys.executable, "-c", DISCOVERY, plugin.target, *HEAVY]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603, no words of a user
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Finding(subject, "error", expected("the plugin", "one that can be imported", reason, plugin.name))
    heavy = done.stdout.split()
    if heavy:
        problem = expected("the import of a plugin", "light", f"one that imports {', '.join(heavy)}", plugin.name)
        return Finding(subject, "heavy-import", problem)
    return Finding(subject)


def check_value(kind: str, name: str, catalog: Catalog) -> Finding:
    """Checks one declared value. A loader whose own ``check`` says that something is not installed is skipped."""
    value = _values(catalog, kind)[name]
    subject = f"{kind} {name}"
    if kind == "loader":
        try:
            value.check()
        except DataError as error:
            return Finding(subject, skipped=str(error))
    try:
        CHECKS[kind](value)
    except Defect as error:
        return Finding(subject, error.name, error.problem)
    except BenchsuiteError as error:
        return Finding(subject, "error", str(error))
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        return Finding(subject, "error", expected("its checks", "without an error", reason, subject))
    return Finding(subject)


def _values(catalog: Catalog, kind: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = getattr(catalog, f"{kind}s")
    return found


def _targets() -> dict[str, str]:
    """What each installed entry point names, by the owner that the catalog gives to its values."""
    return {point.owner: point.value for point in installed.entry_points(GROUP)}


def _names(owner: str) -> Iterator[str]:
    """``my-net (my-dist 0.1)`` -> the names of entry point and distribution; a module -> its long and short name."""
    point, _, rest = owner.partition(" (")
    yield point
    if rest:
        yield rest.rpartition(" ")[0]
    if point.startswith("benchsuite."):
        yield point.rpartition(".")[2]
