"""Tests of what commands that answer at once import: nothing that they do not need."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import benchsuite
from benchsuite.cli import main

SLOW = ("torch", "numpy", "pandas", "rich", "PIL", "pyarrow", "importlib.metadata", "email", "logging", "uuid")
SLOW += ("concurrent.futures", "http.client", "ssl", "statistics", "importlib.resources", "ctypes", "subprocess")
"""Modules that take milliseconds each."""

ROOMS = ("data", "evaluation", "explanation", "models", "report", "runs", "specs", "stats", "storage", "training")


def imported(*words: str) -> set[str]:
    """The modules that a process has after a command."""
    program = (
        "import sys\nfrom benchsuite.cli import main\ntry:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
    )
    program += "print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_imports_no_room_of_the_core_but_what_it_prints_with() -> None:
    found = imported("--help")
    assert not found & set(SLOW)
    rooms = {name.split(".")[1] for name in found if name.startswith("benchsuite.")} & set(ROOMS)
    assert rooms <= {"data", "report"}, "threads give way, and text is wrapped"


LISTS = [("list",), ("list", "protocols"), ("complete", "--", "run", "res"), ("complete", "--", "run", "--data", "i")]


@pytest.mark.parametrize("words", LISTS)
def test_a_list_imports_what_it_lists_alone(words: tuple[str, ...]) -> None:
    found = imported(*words)
    assert not found & set(SLOW)
    assert not {name for name in found if name.startswith(("benchsuite.models", "benchsuite.evaluation"))}
    assert not found & {"benchsuite.explanation.ledger", "benchsuite.report.tables.text", "benchsuite.report.markup"}


def test_garbage_is_collected_again_after_a_list(capsys: pytest.CaptureFixture[str]) -> None:
    import gc

    assert gc.isenabled()
    assert main(["list", "protocols"]) == 0
    assert gc.isenabled()


def test_every_exported_name_is_where_type_checkers_and_python_look() -> None:
    """The three lists of ``benchsuite/__init__.py`` are one."""
    tree = ast.parse(Path(benchsuite.__file__).read_text(encoding="utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == benchsuite._MODULES
    assert sorted(typed) == sorted(benchsuite.__all__)
    assert all(getattr(benchsuite, name) is not None for name in typed)
