"""Tests of examples/api.ipynb: its cells run in order and show their results, and no command of the README is missing.

The commands of the README are looked for in the notebook and, where they need a download or a large data set, in
docs/api.md.
"""

from __future__ import annotations

import argparse
import ast
import inspect
import json
import re
from collections.abc import Callable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from named_commands import FUNCTIONS, LEFT_OUT, keyword, parsers
from page_commands import commands, parsed

import benchsuite

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
NOTEBOOK = ROOT / "examples" / "api.ipynb"
CELLS = [c for c in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
PARSERS = dict(parsers())


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
    kinds = [type(value).__name__ for value in shown]
    assert kinds[:5] == ["Evaluation", "Listing", "PublishedExplanation", "Description", "Evaluations"]
    assert {"PairedComparisons", "Explanation", "Audit", "FrequencyExplanation", "Training", "DataCheck"} <= {*kinds}
    assert {"SweepResult", "WrittenReport", "WrittenPlugin"} <= {*kinds}
    frames = [value for value in shown if isinstance(value, pd.DataFrame)]
    assert all(len(frame) >= 3 for frame in frames)
    assert len(frames) == 3
    assert all((tmp_path / name).stat().st_size > 1000 for name in ("page.html", "report.html", "tables.tex"))


def test_no_output_is_committed() -> None:
    assert [(cell["outputs"], cell["execution_count"]) for cell in CELLS] == [([], None)] * len(CELLS)


def asked(command: str) -> tuple[str, set[str], list[str]]:
    """The command's name, the keywords of its options, and the protocols that it names."""
    name, args = parsed(command)
    actions: list[argparse.Action] = PARSERS[name]._actions
    given = [a for a in actions if a.option_strings and getattr(args, a.dest, a.default) != a.default]
    keywords = {keyword(name, a.option_strings[-1]) for a in given if a.option_strings[-1] not in LEFT_OUT}
    return (
        name,
        keywords - {"data", "protocols"},
        [text.partition(":")[0] for text in getattr(args, "protocol", 0) or ()],
    )


def calls() -> list[tuple[str, set[str], str]]:
    """Every call of a function of benchsuite in the notebook and in docs/api.md: its name, its keywords, its source."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", page, flags=re.MULTILINE | re.DOTALL)
    found, shared = list[tuple[str, set[str], str]](), dict[str, set[str]]()
    for text in [*blocks, *("".join(cell["source"]) for cell in CELLS)]:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
                keys = {key.value for key in node.value.keys if isinstance(key, ast.Constant)}
                shared[ast.unparse(node.targets[0])] = {str(key) for key in keys}
            elif isinstance(node, ast.Call) and re.fullmatch(r"benchsuite\.\w+", ast.unparse(node.func)):
                name = ast.unparse(node.func).removeprefix("benchsuite.")
                found.append((name, passed(node, getattr(benchsuite, name), shared), ast.unparse(node)))
    return found


def passed(call: ast.Call, function: Callable[..., Any], shared: Mapping[str, set[str]]) -> set[str]:
    """The names of the arguments of a call; ``**DIGITS`` passes the keys of a dictionary."""
    parameters = inspect.signature(function).parameters.values()
    places = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    unpacked = [shared.get(ast.unparse(word.value), set()) for word in call.keywords if word.arg is None]
    return {*places[: len(call.args)], *(word.arg for word in call.keywords if word.arg), *chain(*unpacked)}


@pytest.mark.parametrize("command", list(dict.fromkeys(commands(README))))
def test_every_command_of_the_readme_is_there_as_a_call(command: str) -> None:
    name, keywords, protocols = asked(command)
    function = FUNCTIONS[name].__name__
    same = [(given, source) for called, given, source in calls() if called == function and keywords <= given]
    assert same, f"no call of {function} with {', '.join(sorted(keywords)) or 'no keyword'}"
    assert [p for p in protocols if not any(p in source for _, source in same)] == []


ABOUT_THE_SHELL = {"cache clear", "cache list", "completion", "doctor"}
"""Commands that docs/shell.md shows."""


def test_the_commands_of_the_readme_are_found() -> None:
    found = [asked(command) for command in commands(README)]
    assert ("audit", {"claim", "accuracy", "batch_sizes", "epochs"}, []) in found
    assert ("run", {"sweep", "weights"}, ["1crop", "lowpass", "highpass"]) in found
    assert {name for name, _, _ in found} == set(FUNCTIONS) - {"plugin check", *ABOUT_THE_SHELL}
