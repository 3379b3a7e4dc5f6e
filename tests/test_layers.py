"""Tests of imports: one order of folders, no cycle among the files of one, pure folders, light plugins."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import benchsuite

LINE = "errors contract progress installed < specs < stats < storage < distributed < data < models < evaluation"
LINE += " < evaluator < training < runs < doctor < explanation < builtin < report < testing < scaffold < api < cli"
ORDER = LINE.replace("<", " ").split()
"""A module imports from its own folder and from those before it."""

FACADE_ONLY = ("plugins", "protocols", "builtin")
"""Folders of plugins: they import what ``benchsuite/__init__.py`` names, and their own ``_siblings``."""

PURE = {"specs": {"numpy", "pluggy"}, "stats": {"numpy"}}
"""Folders of pure functions, with what they may import beside the standard library."""

PURE_MODULES = {"storage.keys": {"numpy"}, "data.resize": {"numpy", "PIL"}, "training.schedules": {"numpy"}}

IMPURE = {"os", "io", "pathlib", "time", "datetime", "random", "secrets", "shutil", "socket", "subprocess", "tempfile"}
IMPURE |= {"threading", "concurrent", "multiprocessing", "urllib", "asyncio"}
HEAVY = {"torch", "torchvision", "timm", "numpy", "scipy", "pandas", "pyarrow", "sklearn", "safetensors", "PIL", "rich"}

CORE = Path(benchsuite.__file__).parent
PACKAGES = {name: Path(__import__(f"benchsuite.{name}", fromlist=["_"]).__path__[0]) for name in FACADE_ONLY}


@dataclass(frozen=True)
class Import:
    """One imported module or name; ``lazy`` inside a function, ``typing`` under TYPE_CHECKING."""

    name: str
    line: int
    lazy: bool
    typing: bool


def imports(source: str, module: str, package: bool = False) -> Iterator[Import]:
    """Every import in a module, absolute: ``from benchsuite import keys`` is ``benchsuite.keys``."""

    def walk(node: ast.AST, lazy: bool, typing: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, lazy, typing) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = module.split(".")
            base = parts[: len(parts) - node.level + package] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (Import(f"{origin}.{alias.name}", node.lineno, lazy, typing) for alias in node.names)
        guarded = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        lazy = lazy or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, lazy, typing or guarded)

    return walk(ast.parse(source), lazy=False, typing=False)


def pure(module: str) -> set[str] | None:
    """What a pure module may import besides the standard library; None for a module that need not be pure."""
    name = module.removeprefix("benchsuite.")
    return PURE_MODULES.get(name, PURE.get(name.partition(".")[0]))


def core_faults(source: str, module: str, package: bool = False) -> list[str]:
    """What is wrong with the imports of a module of the core, such as ``benchsuite.stats.metrics``."""
    faults, room, allowed = [], module.split(".")[1], pure(module)
    for found in imports(source, module, package):
        parts = found.name.split(".")
        if parts[0] == "benchsuite":
            target = parts[1] if len(parts) > 1 else ""
            if target in (room, "__version__"):
                continue
            if target not in ORDER:
                faults.append(f"line {found.line}: {found.name} is in no folder of the core")
            elif ORDER.index(target) > ORDER.index(room):
                faults.append(f"line {found.line}: {room} comes before {target}")
        elif allowed is not None and not found.typing:
            if parts[0] not in sys.stdlib_module_names | allowed:
                faults.append(f"line {found.line}: {parts[0]} in {module}")
            if parts[0] in IMPURE:
                faults.append(f"line {found.line}: {parts[0]} in {module}: no files, no clock, no chance")
            if parts[0] in HEAVY and not found.lazy:
                faults.append(f"line {found.line}: {parts[0]} outside a function")
    return faults


def circle(files: Mapping[str, str]) -> list[str]:
    """The modules of an import cycle in order, or no module. ``files`` are sources by module; lazy imports count."""
    edges = {}
    for module, source in files.items():
        wanted = {found.name for found in imports(source, module) if not found.typing}
        edges[module] = sorted({o for o in files for w in wanted if o != module and (w == o or w.startswith(f"{o}."))})
    done: set[str] = set()

    def follow(module: str, path: list[str]) -> list[str]:
        if module in path:
            return path[path.index(module) :]
        if module in done:
            return []
        for target in edges[module]:
            if found := follow(target, [*path, module]):
                return found
        done.add(module)
        return []

    return next((found for module in edges if (found := follow(module, []))), [])


def plugin_faults(source: str, module: str) -> list[str]:
    """What is wrong with the imports of a plugin; ``_private`` siblings may import heavy libraries at once."""
    package, _, name = module.rpartition(".")
    faults = []
    for found in imports(source, module):
        parts = found.name.split(".")
        sibling = found.name.startswith(f"{package}._")
        if parts[0] == "benchsuite" and not sibling and (len(parts) != 2 or parts[1] not in benchsuite.__all__):
            faults.append(f"line {found.line}: {found.name} is not among the names of benchsuite/__init__.py")
        if parts[0] in HEAVY and not (found.lazy or found.typing or name.startswith("_")):
            faults.append(f"line {found.line}: {parts[0]} outside a function")
    return faults


def core_modules() -> list[tuple[str, Path]]:
    """(module, file) of every file of the core except the facade."""
    found = []
    for path in sorted(CORE.rglob("*.py")):
        parts = path.relative_to(CORE).with_suffix("").parts
        if parts[0] not in FACADE_ONLY and parts not in (("__init__",), ("__main__",)):
            found.append((".".join(("benchsuite", *(p for p in parts if p != "__init__"))), path))
    return found


def plugin_modules() -> list[tuple[str, Path]]:
    """(module, file) of every plugin that comes with benchsuite."""
    return [
        (".".join(("benchsuite", package, *path.relative_to(folder).with_suffix("").parts)), path)
        for package, folder in PACKAGES.items()
        for path in sorted(folder.rglob("*.py"))
        if path.stem != "__init__"
    ]


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize(("module", "path"), core_modules(), ids=lambda v: v if isinstance(v, str) else "")
def test_a_module_imports_only_from_its_own_folder_and_those_before_it(module: str, path: Path) -> None:
    assert module.split(".")[1] in ORDER, f"{path.name} is in no folder of ORDER"
    assert core_faults(text(path), module, path.stem == "__init__") == []


@pytest.mark.parametrize("room", ORDER)
def test_the_files_of_a_folder_import_each_other_in_no_circle(room: str) -> None:
    files = {m: text(p) for m, p in core_modules() if m.split(".")[1] == room and p.stem != "__init__"}
    assert circle(files) == []


def test_the_folders_are_few_and_none_holds_more_files_than_a_reader_keeps_apart() -> None:
    assert sorted(p.stem for p in CORE.glob("*.py")) == [
        "__init__",
        "__main__",
        "contract",
        "errors",
        "evaluator",
        "installed",
        "progress",
    ]
    for folder in {path.parent for _, path in core_modules()} - {CORE, CORE / "cli"}:
        assert len([p for p in folder.glob("*.py") if p.stem != "__init__"]) <= 13, folder
    assert [f"{module}: {n} lines" for module, p in core_modules() if (n := text(p).count("\n")) > 400] == []
    assert text(CORE / "evaluator.py").count("\n") < 150


@pytest.mark.parametrize(("module", "path"), plugin_modules(), ids=lambda v: v if isinstance(v, str) else "")
def test_a_plugin_imports_what_benchsuite_names_and_nothing_heavy_at_once(module: str, path: Path) -> None:
    assert plugin_faults(text(path), module) == []


def test_the_walk_sees_the_modules() -> None:
    seen = {module.removeprefix("benchsuite.") for module, _ in core_modules()}
    assert {
        "errors",
        "specs.view",
        "data.resize",
        "specs.catalog",
        "testing.checker",
        "cli",
        "report.tables.runs",
    } <= seen
    assert {module.split(".")[1] for module, _ in core_modules()} | {"builtin"} == set(ORDER)
    assert "benchsuite.protocols.ten_crop" in dict(plugin_modules())
    assert "benchsuite.builtin.datasets.cifar" in dict(plugin_modules())


def test_every_name_of_the_facade_is_there() -> None:
    assert [n for n in benchsuite.__all__ if not hasattr(benchsuite, n)] == []
    assert len(set(benchsuite.__all__)) == len(benchsuite.__all__)


def test_no_name_of_the_facade_is_a_module_too() -> None:
    modules = {module.split(".")[1] for module, _ in core_modules()}
    assert modules.intersection(benchsuite.__all__) == set()


@pytest.mark.parametrize(
    ("module", "source", "said"),
    [
        ("specs.view", "from benchsuite.data.resize import cut", "specs comes before data"),
        ("specs.view", "def f():\n    from benchsuite.data import resize", "specs comes before data"),
        ("stats.metrics", "import benchsuite.cli.run", "stats comes before cli"),
        ("stats.metrics", "from ..evaluation.predictions import join", "stats comes before evaluation"),
        ("evaluation.question", "import benchsuite.evaluator", "evaluation comes before evaluator"),
        ("storage.keys", "from benchsuite import load_plugins", "benchsuite.load_plugins is in no folder"),
        ("runs.run", "from benchsuite.plugins import pnn", "benchsuite.plugins.pnn is in no folder"),
        ("specs.combine", "import numpy as np", "numpy outside a function"),
        ("specs.combine", "def f():\n    import torch", "torch in benchsuite.specs.combine"),
        ("stats.metrics", "def f():\n    import PIL", "PIL in benchsuite.stats.metrics"),
        ("data.resize", "import torch", "torch in benchsuite.data.resize"),
        ("storage.keys", "import time", "time in benchsuite.storage.keys"),
        ("training.schedules", "def f():\n    from pathlib import Path", "pathlib in benchsuite.training.schedules"),
    ],
)
def test_a_wrong_import_in_the_core_is_found(module: str, source: str, said: str) -> None:
    faults = core_faults(source, f"benchsuite.{module}")
    assert faults
    assert said in faults[0]


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("data.resize", "from benchsuite.specs.view import View\ndef f():\n    import numpy, PIL.Image"),
        ("specs.combine", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy as np"),
        ("models.network", "import time, torch\nfrom benchsuite.models.score_map import derive"),
        ("storage.files", "import os, time"),
        ("cli.run", "from benchsuite.cli.console import err\nfrom benchsuite import __version__, testing"),
    ],
)
def test_a_right_import_in_the_core_passes(module: str, source: str) -> None:
    assert core_faults(source, f"benchsuite.{module}") == []


@pytest.mark.parametrize(
    ("sources", "found"),
    [
        ({"a": "from benchsuite.x import b", "b": "import benchsuite.x.a"}, ["a", "b"]),
        ({"a": "def f():\n    from benchsuite.x.b import name", "b": "from .a import name"}, ["a", "b"]),
        ({"a": "from .b import n", "b": "from .c import n", "c": "from .b import m"}, ["b", "c"]),
        ({"a": "from .b import n", "b": "from .c import n", "c": "import os"}, []),
        (
            {"a": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .b import n", "b": "from .a import n"},
            [],
        ),
        ({"a": "from .ab import n", "ab": "import os"}, []),
    ],
)
def test_a_circle_of_imports_is_found(sources: dict[str, str], found: list[str]) -> None:
    files = {f"benchsuite.x.{name}": source for name, source in sources.items()}
    assert circle(files) == [f"benchsuite.x.{name}" for name in found]


@pytest.mark.parametrize(
    ("module", "source", "good"),
    [
        ("benchsuite.plugins.pnn", "from benchsuite import Architecture, hookimpl", True),
        ("benchsuite.plugins.pnn", "def build(n):\n    import torch\n    from . import _pnn_model", True),
        ("benchsuite.plugins.pnn", "def build(n):\n    from benchsuite.plugins._pnn_model import Net", True),
        ("benchsuite.plugins._pnn_model", "import torch", True),
        ("benchsuite.builtin.datasets.folder", "from benchsuite.builtin.datasets import _files", True),
        ("benchsuite.plugins.pnn", "import torch", False),
        ("benchsuite.plugins.pnn", "from PIL import Image", False),
        ("benchsuite.plugins.pnn", "from benchsuite.specs.architecture import Architecture", False),
        ("benchsuite.plugins.pnn", "import benchsuite.specs", False),
        ("benchsuite.plugins.pnn", "from benchsuite.storage import run_folder", False),
        ("benchsuite.plugins.pnn", "from benchsuite.plugins.resnet import RESNET", False),
        ("benchsuite.plugins.pnn", "from benchsuite.protocols._sizes import sized", False),
        ("benchsuite.plugins._pnn_model", "from benchsuite.models.network import Network", False),
        ("benchsuite.builtin.loaders.torch", "from benchsuite.builtin.datasets import _files", False),
    ],
)
def test_a_plugins_wrong_import_is_found_and_a_right_one_passes(module: str, source: str, good: bool) -> None:
    assert (plugin_faults(source, module) == []) is good


def test_the_command_line_and_all_plugins_load_without_anything_heavy() -> None:
    lazy = sorted({"torch", "numpy", "pandas", "timm", "torchvision", "sklearn", "rich", "PIL", "pyarrow", "scipy"})
    program = (
        "import json, sys, benchsuite.cli\n"
        "found = benchsuite.load_plugins(entry_points=False)\n"
        f"loaded = [m for m in {lazy!r} if m in sys.modules]\n"
        "print(json.dumps([loaded, found.broken, sorted(found.protocols)]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded, broken, protocols = json.loads(done.stdout)
    assert loaded == []
    assert broken == []
    assert "10crop" in protocols
