"""Imports a Python file that the user names, and makes an architecture of one of its functions."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from benchsuite import (
    Architecture,
    BadParameter,
    PluginError,
    Preprocess,
    UnknownName,
    expected,
    first_line,
    unknown_name,
)

PLACEHOLDER = Preprocess(32, 32, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""The preprocessing of a file that declares none. It is never used for images, only its size to try a network."""


def architecture(path: str, function: str) -> Architecture:
    """The network of a function or class in a file; its name is ``PATH.py:FUNCTION``, as it was typed.

    ``code`` holds the digest of the file and of those that it imports from its own folder.
    """
    file = Path(path).expanduser()
    if not file.is_file():
        raise UnknownName(expected("a network in a file", "PATH.py:FUNCTION with a file that exists", path))
    code = digest(file)
    module = imported(file, code)
    known = [name for name, value in vars(module).items() if _is_own(value, module)]
    if not function:
        hint = f"such as {path}:{known[0]}" if known else "but it has no function"
        raise UnknownName(expected("a network in a file", f"PATH.py:FUNCTION, {hint}", path))
    build = getattr(module, function, None)
    if build is None:
        raise unknown_name(f"function of {path}", function, known)
    check_build(build, f"{path}:{function}")
    declared = getattr(module, "PREPROCESS", None)
    if declared is not None and not isinstance(declared, Preprocess):
        raise PluginError(expected(f"PREPROCESS of {path}", "a benchsuite.Preprocess", declared))
    note = f"A file: {file.resolve()}; preprocessing: "
    note += "its PREPROCESS" if declared else "that of the weights, else the usual one of the data set (no PREPROCESS)"
    return Architecture(
        f"{path}:{function}",
        build,
        declared or PLACEHOLDER,
        note=note,
        code=f"sha256 {code[:16]}",
        preprocessing="always" if declared else "never",
    )


def check_build(build: Any, where: str) -> None:
    """Raises ``PluginError`` unless ``build(num_classes)`` is possible and every option has a type and a default."""
    if not callable(build):
        raise PluginError(expected(where, "a function or a class", f"a {type(build).__name__}"))
    if isinstance(build, type) and not any(base.__name__ == "Module" for base in build.__mro__):
        raise PluginError(expected(where, "a function, or a class of torch modules", f"the class {build.__name__}"))
    try:
        signature = inspect.signature(build)
        signature.bind(1)
    except (TypeError, ValueError) as error:
        raise PluginError(expected(where, "callable as build(num_classes)", first_line(error))) from None
    for option in signature.parameters.values():
        if option.kind is inspect.Parameter.KEYWORD_ONLY and option.annotation is inspect.Parameter.empty:
            rule = f"annotated with its type, such as {option.name}: int"
            raise PluginError(expected(f"the option {option.name} of {where}", rule, "no annotation"))


def imported(file: Path, code: str) -> ModuleType:
    """The file as a module, executed once for each digest. Its folder is searched last for what it imports."""
    name = f"_benchsuite_file_{file.stem}_{code[:16]}"
    if name in sys.modules:
        return sys.modules[name]
    folder = str(file.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise BadParameter(expected("a network in a file", "in a Python file", str(file)))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # so that dataclasses and pickles in it work
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if not isinstance(error, Exception):
            raise
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise PluginError(expected(str(file), "a Python file that can be imported", reason)) from error
    return module


def digest(file: Path) -> str:
    """SHA-256 of a file and of the files that it imports from its own folder, directly or through others."""
    state, seen, todo = hashlib.sha256(), set[Path](), [file.resolve()]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += _neighbours(one)
    for one in sorted(seen):
        state.update(one.name.encode() + b"\0" + hashlib.sha256(one.read_bytes()).digest())
    return state.hexdigest()


def _neighbours(file: Path) -> Iterator[Path]:
    """The files in the folder of a file that it imports by name; a package counts with all of its files."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # said when it is imported
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            top = file.parent / name.partition(".")[0]
            if top.with_suffix(".py").is_file():
                yield top.with_suffix(".py")
            elif top.is_dir():
                yield from (path.resolve() for path in top.rglob("*.py"))


def _is_own(value: Any, module: ModuleType) -> bool:
    own: Callable[[Any], str] = lambda v: getattr(v, "__module__", "")  # noqa: E731
    return callable(value) and own(value) == module.__name__
