"""Which way imports point. The rooms are those of the design; a module imports only from what stands above it."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import benchsuite

ROOMS = {
    "values": "errors view combine recipes census formats predict specs variants binding hookspecs",
    "numerics": "keys metrics stats calibration tallies accounting chances ops batches schedules",
    "effects": "reading catalog decode examine dense folding precision onednn transfer inputs forward locks chunks "
    "layouts weights predictions pieces flow pixels augment optimizers processes crews checkpoints ledger passes",
    "use cases": "watch prepared preparing _training feeds networks trainer train plan scoring evaluate sharing parity "
    "profiles manifests tables profile_tables audit remeasure running class_order doctor unopened opinion checkup "
    "compare groups factors ladder route climb explain printed query "
    "jobs histories training_manifests training_runs grids training_tables sweeps executors sweep_runs",
    "edges": "builtin report probes claims testing cli",
}
"""Each room's modules, in an order in which each may import those before it. One that is planned may be absent."""

ORDER = tuple(name for names in ROOMS.values() for name in names.split())
IMPURE = {"os", "io", "pathlib", "time", "datetime", "random", "secrets", "shutil", "socket", "subprocess", "tempfile"}
IMPURE |= {"threading", "concurrent", "multiprocessing", "urllib", "asyncio"}
HEAVY = {"torch", "torchvision", "timm", "numpy", "scipy", "pandas", "pyarrow", "sklearn", "safetensors", "PIL", "rich"}
ALLOWED_BESIDE_STDLIB = {"values": {"numpy", "pluggy"}, "numerics": {"numpy", "PIL"}}

CORE = Path(benchsuite.__file__).parent
PLUGINS = {
    f"benchsuite.{name}": Path(__import__(f"benchsuite.{name}", fromlist=["_"]).__path__[0])
    for name in ("plugins", "protocols", "builtin")
}


@dataclass(frozen=True)
class Import:
    """One imported module or name; ``lazy`` inside a function, ``typing`` under TYPE_CHECKING."""

    name: str
    line: int
    lazy: bool
    typing: bool


def imports(source: str, module: str, package: bool = False) -> Iterator[Import]:
    """Every import in a module, absolute: ``from benchsuite import keys`` is ``benchsuite.storage.keys``."""

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


def room_of(name: str) -> str:
    """The room of a module of the core."""
    return next(room for room, names in ROOMS.items() if name in names.split())


def core_faults(source: str, name: str, module: str, package: bool = False) -> list[str]:
    """What is wrong with the imports of a module (``name`` is the part after ``benchsuite.``) of the core."""
    faults, room = [], room_of(name)
    for found in imports(source, module, package):
        parts = found.name.split(".")
        if parts[0] == "benchsuite":
            target = parts[1] if len(parts) > 1 else ""
            if target == name or target == "__version__" or target == "data":
                continue
            if target not in ORDER:
                faults.append(f"line {found.line}: {found.name} is no module of the core")
            elif ORDER.index(target) > ORDER.index(name):
                faults.append(f"line {found.line}: {name} stands above {target}")
        elif room in ALLOWED_BESIDE_STDLIB and not found.typing:
            if parts[0] not in sys.stdlib_module_names | ALLOWED_BESIDE_STDLIB[room]:
                faults.append(f"line {found.line}: {parts[0]} in {room}")
            if parts[0] in IMPURE:
                faults.append(f"line {found.line}: {parts[0]} in {room}: no files, no clock, no chance")
            if parts[0] in HEAVY and not found.lazy:
                faults.append(f"line {found.line}: {parts[0]} outside a function")
    return faults


def plugin_faults(source: str, module: str) -> list[str]:
    """What is wrong with the imports of a plugin; ``_private`` siblings may import anything heavy at once."""
    package, _, name = module.rpartition(".")
    faults = []
    for found in imports(source, module):
        parts = found.name.split(".")
        sibling = found.name.startswith(f"{package}.") and parts[2].startswith("_")
        if parts[0] == "benchsuite" and not sibling and (len(parts) != 2 or parts[1] not in benchsuite.__all__):
            faults.append(f"line {found.line}: {found.name} is not among the names of benchsuite/__init__.py")
        if parts[0] in HEAVY and not (found.lazy or found.typing or name.startswith("_")):
            faults.append(f"line {found.line}: {parts[0]} outside a function")
    return faults


def core_modules() -> list[tuple[str, str, Path]]:
    """(name in ORDER, module, file) of every file of the core but the facade."""
    found = []
    for path in sorted(CORE.rglob("*.py")):
        parts = path.relative_to(CORE).with_suffix("").parts
        if parts[0] not in ("builtin", "plugins", "protocols", "data") and parts not in (("__init__",), ("__main__",)):
            found.append((parts[0], ".".join(("benchsuite", *(p for p in parts if p != "__init__"))), path))
    return found


def plugin_modules() -> list[tuple[str, Path]]:
    """(module, file) of every plugin that comes with benchsuite."""
    return [
        (f"{package}.{path.stem}", path)
        for package, folder in PLUGINS.items()
        for path in sorted(folder.glob("*.py"))
        if path.stem != "__init__"
    ]


@pytest.mark.parametrize(("name", "module", "path"), core_modules(), ids=lambda v: v if isinstance(v, str) else "")
def test_a_core_module_imports_only_what_stands_above_it(name: str, module: str, path: Path) -> None:
    assert name in ORDER, f"{path.name} is in no room: add it to ROOMS"
    assert core_faults(path.read_text(encoding="utf-8"), name, module, path.stem == "__init__") == []


@pytest.mark.parametrize(("module", "path"), plugin_modules(), ids=lambda v: v if isinstance(v, str) else "")
def test_a_plugin_imports_what_benchsuite_names_and_nothing_heavy_at_once(module: str, path: Path) -> None:
    assert plugin_faults(path.read_text(encoding="utf-8"), module) == []


def test_the_walk_sees_the_modules() -> None:
    assert {"errors", "view", "ops", "catalog", "testing", "cli"} <= {name for name, _, _ in core_modules()}
    assert "benchsuite.protocols.ten_crop" in dict(plugin_modules())


def test_every_name_of_the_facade_is_there() -> None:
    assert [n for n in benchsuite.__all__ if not hasattr(benchsuite, n)] == []
    assert len(set(benchsuite.__all__)) == len(benchsuite.__all__)


@pytest.mark.parametrize(
    ("name", "source", "said"),
    [
        ("view", "from benchsuite.data.resize import cut", "view stands above ops"),
        ("view", "def f():\n    from benchsuite import ops", "view stands above ops"),
        ("combine", "from benchsuite.specs import Preprocess", "combine stands above specs"),
        ("metrics", "import benchsuite.cli.run", "metrics stands above cli"),
        ("metrics", "from .predictions import join", "metrics stands above predictions"),
        ("metrics", "from benchsuite import load_plugins", "benchsuite.load_plugins is no module"),
        ("combine", "import numpy as np", "numpy outside a function"),
        ("combine", "def f():\n    import torch", "torch in values"),
        ("ops", "import torch", "torch in numerics"),
        ("keys", "import time", "time in numerics"),
        ("keys", "def f():\n    from pathlib import Path", "pathlib in numerics"),
    ],
)
def test_a_wrong_import_in_the_core_is_found(name: str, source: str, said: str) -> None:
    faults = core_faults(source, name, f"benchsuite.{name}")
    assert faults
    assert said in faults[0]


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("ops", "from benchsuite.specs.view import View\ndef f():\n    import numpy, PIL.Image"),
        ("combine", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy as np"),
        ("forward", "import time, torch\nfrom benchsuite.models.score_map import derive"),
        ("cli", "from benchsuite.cli.console import err\nfrom benchsuite import __version__, testing"),
    ],
)
def test_a_right_import_in_the_core_passes(name: str, source: str) -> None:
    assert core_faults(source, name, f"benchsuite.{name}") == []


@pytest.mark.parametrize(
    ("module", "source", "good"),
    [
        ("benchsuite.plugins.pnn", "from benchsuite import Architecture, hookimpl", True),
        ("benchsuite.plugins.pnn", "def build(n):\n    import torch\n    from . import _pnn_model", True),
        ("benchsuite.plugins.pnn", "def build(n):\n    from benchsuite.plugins._pnn_model import Net", True),
        ("benchsuite.plugins._pnn_model", "import torch", True),
        ("benchsuite.plugins.pnn", "import torch", False),
        ("benchsuite.plugins.pnn", "from PIL import Image", False),
        ("benchsuite.plugins.pnn", "from benchsuite.specs import Architecture", False),
        ("benchsuite.plugins.pnn", "import benchsuite.specs", False),
        ("benchsuite.plugins.pnn", "from benchsuite import predictions", False),
        ("benchsuite.plugins.pnn", "from benchsuite.plugins.resnet import RESNET", False),
        ("benchsuite.plugins.pnn", "from benchsuite.protocols._sizes import sized", False),
        ("benchsuite.plugins._pnn_model", "from benchsuite.forward import Network", False),
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
