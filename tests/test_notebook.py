"""Tests of examples/api.ipynb: its cells run in order, and every result that a cell shows has a text and HTML."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "api.ipynb"
CELLS = [c for c in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]


def last_value(code: str, names: dict[str, Any]) -> Any:
    """Runs a cell as a kernel does; returns the value of its last line if that is an expression."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)
    return eval(compile(ast.Expression(last.value), "cell", "eval"), names) if isinstance(last, ast.Expr) else None


@pytest.mark.usefixtures("one_thread")
def test_the_cells_run_in_order_and_show_their_results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    shown = [last_value("".join(cell["source"]), names) for cell in CELLS]
    assert all("<" in value._repr_html_() and repr(value) for value in shown)
    assert type(shown[0]).__name__ == "Evaluation"
    assert "my-net-" in repr(shown[-2])
    assert len(shown[-1]) >= 3


def test_no_output_is_committed() -> None:
    assert [cell["outputs"] for cell in CELLS] == [[]] * len(CELLS)
