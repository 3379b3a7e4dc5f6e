"""Entry points of installed packages, as ``importlib.metadata`` finds them in the folders of ``sys.path``.

Importing that module takes longer than all else that ``benchsuite list`` does; it is used only where a package may lie
somewhere else, such as in a zip file.
"""

# ruff: noqa: PTH113, PTH118, PTH119, PTH208  (os is faster than pathlib, and this module exists to be fast)

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

_PATHS = "_frozen_importlib_external"
"""The module of Python's own finder, which looks into the folders of ``sys.path``."""


class EntryPoint(NamedTuple):
    """An entry point: its name, the ``MODULE`` or ``MODULE:OBJECT`` that it names, and the package that has it."""

    name: str
    value: str
    package: str
    version: str

    @property
    def owner(self) -> str:
        """``my-net (my-package 0.1)``, as runs name the plugin."""
        return f"{self.name} ({self.package} {self.version})" if self.package else self.name

    def load(self) -> Any:
        """Imports the module; returns it or the object in it. Raises whatever the import raises."""
        module, _, path = self.value.partition("[")[0].partition(":")
        found: Any = importlib.import_module(module.strip())
        for attribute in filter(None, path.strip().split(".")):
            found = getattr(found, attribute)
        return found


def entry_points(group: str) -> list[EntryPoint]:
    """The entry points of a group, sorted by name and value. Of two packages with one name the first is taken."""
    if _elsewhere():
        from importlib import metadata

        points = ((p, p.dist) for p in metadata.entry_points(group=group))
        return sorted(EntryPoint(p.name, p.value, *((d.name, d.version) if d else ("", ""))) for p, d in points)
    found = dict[str, list[EntryPoint]]()
    for folder in dict.fromkeys(sys.path):
        for info in _packages(folder or "."):
            key = re.sub(r"[-_.]+", "_", os.path.basename(info).partition("-")[0].removesuffix(".egg")).lower()
            if key not in found:
                found[key] = [*_points(info, group)]
    return sorted(point for points in found.values() for point in points)


def _elsewhere() -> bool:
    """Whether packages may lie in something else than folders of ``sys.path``."""
    finders = (finder if isinstance(finder, type) else type(finder) for finder in sys.meta_path)
    others = any(hasattr(f, "find_distributions") and f.__module__ != _PATHS for f in finders)
    return others or any(os.path.isfile(path) or path.endswith(".egg") for path in sys.path)


def _packages(folder: str) -> Iterator[str]:
    """The folders that describe the packages in a folder: ``NAME-VERSION.dist-info`` or ``NAME.egg-info``."""
    try:
        names = os.listdir(folder)
    except OSError:
        return
    yield from (os.path.join(folder, name) for name in names if name.endswith((".dist-info", ".egg-info")))


def _points(info: str, group: str) -> Iterator[EntryPoint]:
    """The entry points of one package."""
    section, about = "", dict[str, str]()
    for line in _lines(info, "entry_points.txt"):
        name, equals, value = (part.strip() for part in line.partition("="))
        if line.startswith("["):
            section = line.strip("[] ")
        elif section == group and equals and not line.startswith(("#", ";")):
            if not about:
                heads = (head.partition(":") for file in ("METADATA", "PKG-INFO") for head in _lines(info, file))
                for key, _, text in heads:
                    about.setdefault(key, text.strip())
            yield EntryPoint(name, value, about.get("Name", ""), about.get("Version", ""))


def _lines(info: str, file: str) -> list[str]:
    """The lines of a file in the folder of a package, without spaces around them; none if there is no such file."""
    try:
        with open(os.path.join(info, file), encoding="utf-8", errors="replace") as opened:
            return [line.strip() for line in opened]
    except OSError:
        return []
