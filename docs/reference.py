"""The pages of docs/reference, from the code: hooks, protocols with their views drawn, recipes, commands, the ledger.

``python docs/reference.py [--check]`` writes the pages; ``--check`` compares them, and its exit status is 1 if one
differs.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from unittest.mock import patch
from xml.sax.saxutils import escape

import benchsuite
from benchsuite import load_plugins
from benchsuite.api.catalog import entries, facts
from benchsuite.builtin.reporters.tables import markdown_cell
from benchsuite.cli import COMMANDS, make_parser
from benchsuite.explanation import ledger
from benchsuite.report.tables.published import protocol_words
from benchsuite.specs import hookspecs

FOLDER = Path(__file__).parent / "reference"
MADE = "<!-- made by docs/reference.py: do not edit -->"
HIGH, WIDE = facts.EXAMPLE
CATALOG = load_plugins(entry_points=False)


def files() -> dict[str, str]:
    """Every file of the folder by its name."""
    pages = {"hooks.md": hooks, "protocols.md": protocols, "recipes.md": recipes}
    pages |= {"commands.md": commands, "ledger.md": published}
    drawn = {f"{name}.svg": drawing(seen["views"]) for name, seen in shown_protocols() if seen["change"] is None}
    plain = {name: value for name, value in os.environ.items() if not name.startswith("BENCHSUITE_")}
    with patch.dict(os.environ, plain, clear=True):  # not the defaults of whoever writes the pages
        return {name: "\n\n".join([*page(), ""]).rstrip() + "\n" for name, page in pages.items()} | drawn


def hooks() -> Iterator[str]:
    """Each hook with its signature, and the fields of what it returns."""
    yield "# Hooks and what they return"
    yield MADE
    yield "How to write a plugin, with examples: [Writing a plugin](../plugins.md)."
    yield "## Hooks"
    for name, hook in vars(hookspecs).items():
        if name.startswith("benchsuite_"):
            yield f"### {name}"
            yield f"```python\ndef {name}() -> {hook.__annotations__['return']}\n```"
            yield prose(inspect.getdoc(hook) or "")
    yield "## Values"
    yield "Import all of them from `benchsuite`. Fields without a default come first."
    for name in benchsuite.__all__:
        value = getattr(benchsuite, name)
        if dataclasses.is_dataclass(value) and value.__module__.startswith("benchsuite.specs"):
            yield f"### {name}"
            lines = (f"    {field.name}: {field.type}{default(field)},\n" for field in dataclasses.fields(value))
            yield f"```python\n{name}(\n{''.join(lines)})\n```"
            yield prose(inspect.getdoc(value) or "")


def default(field: dataclasses.Field[Any]) -> str:
    """`` = value``, if the field has a default."""
    if field.default is dataclasses.MISSING:
        return "" if field.default_factory is dataclasses.MISSING else f" = {field.default_factory.__name__}()"
    return f" = {getattr(field.default, '__name__', repr(field.default))}"


def prose(docstring: str) -> str:
    """A docstring as Markdown."""
    return re.sub(r"``(.+?)``", r"`\1`", docstring)


def protocols() -> Iterator[str]:
    """Each protocol with its views drawn, its note, its source and its parameters."""
    yield "# Protocols"
    yield MADE
    yield (
        f"Drawn are the views of an image of {WIDE} x {HIGH} pixels for `resnet50`: each grey rectangle is the resized "
        "image, each blue one what the network sees. `benchsuite show PROTOCOL` lists them with their pixels, also for "
        "another network, and with parameters: `benchsuite show multiscale:scales=224+256,flip=false`."
    )
    for name, seen in shown_protocols():
        yield f"## {name}"
        if seen["change"] is None:
            yield f"![The views of {name}: {count(seen['views'])}]({name}.svg)"
        yield markdown_cell(seen["note"])
        yield f"Source: {markdown_cell(seen['source'])}"
        rows = [(f"`{p['name']}`", markdown_cell(p["type"]), markdown_cell(p["default"])) for p in seen["parameters"]]
        yield table(("parameter", "value", "default"), rows)


def shown_protocols() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each protocol, and what ``benchsuite show`` knows of it."""
    for name in sorted(CATALOG.protocols):
        yield name, facts.protocol(CATALOG, name, "resnet50", None)


def count(views: Sequence[Mapping[str, Any]]) -> str:
    """``10 views, 5 of them mirrored``."""
    mirrored = sum(view["flip"] for view in views)
    return f"{len(views)} view{'s' * (len(views) > 1)}" + (f", {mirrored} of them mirrored" if mirrored else "")


def drawing(views: Sequence[Mapping[str, Any]]) -> str:
    """The views as an SVG file: side by side the resized images, and in each the boxes of its views."""
    panels = [(tuple(size), [*group]) for size, group in groupby(views, key=lambda view: view["resized"])]
    scale, gap, head = 0.5, 16, 40
    parts, left = list[str](), gap / 2
    for (width, height), group in panels:
        parts.append(box(left, head, width * scale, height * scale, "image"))
        for x1, y1, x2, y2 in dict.fromkeys(tuple(view["box"]) for view in group):
            parts.append(box(left + x1 * scale, head + y1 * scale, (x2 - x1) * scale, (y2 - y1) * scale, "view"))
        parts.append(f'<text x="{left:g}" y="16">{width} x {height}</text>')
        parts.append(f'<text x="{left:g}" y="32">{escape(count(group))}</text>')
        left += max(width * scale, 150) + gap
    high = head + max(height for (_, height), _ in panels) * scale + gap / 2
    style = (
        "text { font: 12px system-ui, sans-serif; fill: #333 } .image { fill: #e4e4e4; stroke: #888 } "
        ".view { fill: #0b62a4; fill-opacity: 0.12; stroke: #0b62a4 }"
    )
    size = f'viewBox="0 0 {left:g} {high:g}" width="{left:g}" height="{high:g}"'
    back = f'<rect width="{left:g}" height="{high:g}" fill="#fff"/>'
    begin = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>'
    return "\n".join([begin, f"<style>{style}</style>", back, *parts, "</svg>", ""])


def box(x: float, y: float, width: float, height: float, kind: str) -> str:
    """A rectangle."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" class="{kind}"/>'


def recipes() -> Iterator[str]:
    """Each recipe with the score that its source claims, by network."""
    yield "# Recipes"
    yield MADE
    yield "How to train by them: [Training by a recipe](../training.md). Every field: `benchsuite list recipes --json`."
    columns = ("recipe", "network", "data set", "epochs", "the source's number", "cost", "source")
    keys = ("architecture", "dataset", "epochs", "expected", "cost", "source")
    found = entries.recipes(CATALOG)
    yield table(columns, [[f"`{row['name']}`", *(markdown_cell(str(row[key])) for key in keys)] for row in found])


def commands() -> Iterator[str]:
    """Each command with its arguments and options."""
    yield "# Commands"
    yield MADE
    yield "The same as `benchsuite COMMAND --help`. Each is also a function: [The Python API](../api.md)."
    for name in COMMANDS:
        (command,) = (found for known, found in subcommands(make_parser([name])) if known == name)
        yield f"## {name}"
        yield prose(" ".join((command.description or COMMANDS[name]).split()))
        tasks = subcommands(command)
        if not tasks:
            yield from options(command)
        for task, parser in tasks:
            yield f"### {name} {task}"
            yield prose(" ".join((parser.description or "").split()))
            yield from options(parser)


def subcommands(parser: argparse.ArgumentParser) -> list[tuple[str, argparse.ArgumentParser]]:
    """The commands of a parser by name."""
    actions: list[Any] = parser._actions
    groups = (action.choices for action in actions if isinstance(action, argparse._SubParsersAction))
    return [pair for choices in groups for pair in choices.items()]


def options(parser: argparse.ArgumentParser) -> Iterator[str]:
    """The arguments and options of a command as a table. argparse's own layout differs between versions of Python."""
    formatter, rows = parser._get_formatter(), list[Sequence[str]]()
    for action in parser._actions:
        if action.dest == "help":
            continue
        value = metavar(action)
        names = ", ".join(f"`{f'{option} {value}'.strip()}`" for option in action.option_strings) or f"`{value}`"
        text = formatter._expand_help(action) if action.help else ""
        rows.append((names.replace("|", r"\|"), markdown_cell(" ".join(text.split()))))
    yield table(("argument or option", "what it does"), rows)


def metavar(action: argparse.Action) -> str:
    """What stands for the value of an option; empty for a switch."""
    if action.nargs == 0:
        return ""
    known = "|".join(map(str, action.choices)) if action.choices else action.dest.upper()
    return str(action.metavar or known)


def published() -> Iterator[str]:
    """Every row of the ledger."""
    yield "# The ledger of published figures"
    yield MADE
    yield (
        "Every published figure that benchsuite compares with, in percent. All that is known of one: "
        "`benchsuite show ID`; why those of a model differ: `benchsuite explain MODEL`. *Unverified*: no original was "
        "seen."
    )
    columns = ("id", "model", "data set", "metric", "published", "protocol", "weights or run", "counted", "source")
    rows = []
    for row in ledger.load():
        source = f"[{markdown_cell(row.source)}]({row.url})" if row.url else markdown_cell(row.source)
        words = (row.model, row.dataset, row.metric.replace("_", " "), row.value, protocol_words(row))
        words = (*words, row.weights or row.run, row.accounting)
        mark = "" if row.status == "verified" else " *(unverified)*"
        rows.append((f"`{row.id}`", *map(markdown_cell, words), source + mark))
    yield table(columns, rows)


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A pipe table. Its cells are Markdown already."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Writes the pages, or compares them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit status 1 if a page differs")
    check, wanted = parser.parse_args(arguments).check, files()
    FOLDER.mkdir(exist_ok=True)
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.iterdir()}
    changed = sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name))
    for name in changed:
        print(f"{FOLDER.name}/{name}: {'differs' if check else 'written' if name in wanted else 'removed'}")
        if check:
            continue
        if name in wanted:
            (FOLDER / name).write_text(wanted[name], encoding="utf-8", newline="\n")
        else:
            (FOLDER / name).unlink()
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
