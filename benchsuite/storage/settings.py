"""The settings in config files: ``[tool.benchsuite]`` of a project's pyproject.toml, and the user's config.toml."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.errors import BadParameter, StorageError, expected, first_line

SECTION = ("tool", "benchsuite")
"""The table of a pyproject.toml that holds settings; config.toml has them at its top."""

_KEY = r"""(?:"[^"]*"|'[^']*'|[A-Za-z0-9_-]+)"""
_KEYS = re.compile(_KEY)
_TABLE = re.compile(r"\s*\[([^\[\]]+)\]\s*(?:#.*)?$")
_ENTRY = re.compile(rf"\s*({_KEY}(?:\s*\.\s*{_KEY})*)\s*=")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of a config file. ``command`` is that of the table that it stands in; empty: it is for all commands."""

    file: Path
    command: str
    key: str
    value: Any

    @property
    def name(self) -> str:
        """``precision``, or ``run.precision`` in the table of a command."""
        return f"{self.command}.{self.key}" if self.command else self.key

    @property
    def origin(self) -> str:
        """The file and the line: ``pyproject.toml:12``; the file alone if it no longer has that line."""
        path = (*_section(self.file), *([self.command] if self.command else []), self.key)
        try:
            line = line_of(self.file.read_text(encoding="utf-8"), path)
        except (OSError, ValueError):
            line = None
        return shown(self.file) + (f":{line}" if line else "")


def read_settings(files: Iterable[Path]) -> tuple[Setting, ...]:
    """The settings of the files, those that count most first: by file, and in a file those of one command first.

    Of several pyproject.toml only the first one that has the table is used. Raises ``StorageError`` for a file that
    cannot be read, ``BadParameter`` for one that is no TOML.
    """
    found, project = list[Setting](), False
    for file in files:
        of_project = bool(_section(file))
        table = None if of_project and project else _table(file)
        if table is not None:
            project = project or of_project
            found += sorted(_entries(file, table), key=lambda setting: not setting.command)
    return tuple(found)


def shown(file: Path) -> str:
    """A path as people read it: relative if it is below the working folder."""
    here = os.path.realpath(os.curdir)
    return str(file.relative_to(here)) if file.is_relative_to(here) else str(file)


def line_of(text: str, path: tuple[str, ...]) -> int | None:
    """The number of the line in TOML at which the value with these keys begins, or a table around it; None: nowhere."""
    lines, best, depth = text.splitlines(), None, 0
    table: tuple[str, ...] = ()
    for number, line in enumerate(lines, 1):
        header, entry = _TABLE.match(line), _ENTRY.match(line)
        if not (header or entry) or not _is_toml("\n".join(lines[: number - 1])):
            continue  # the latter: a line of a text that began above
        if header:
            table = _split(header[1])
        keys = table if header else table + _split(entry[1] if entry else "")
        if path[: len(keys)] == keys and len(keys) > depth:
            best, depth = number, len(keys)
    return best


def _split(keys: str) -> tuple[str, ...]:
    return tuple(key.strip("\"'") for key in _KEYS.findall(keys))


def _is_toml(text: str) -> bool:
    import tomllib

    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return False
    return True


def _section(file: Path) -> tuple[str, ...]:
    return SECTION if file.name == "pyproject.toml" else ()


def _table(file: Path) -> Mapping[str, Any] | None:
    """The table of settings in a file; None if it has none."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise StorageError(f"Cannot read {shown(file)}: {error.strerror or error}") from None
    import tomllib

    try:
        found: Any = tomllib.loads(content.decode("utf-8"))
    except ValueError as error:
        raise BadParameter(expected("a config file", "TOML in UTF-8", first_line(error), shown(file))) from None
    for key in _section(file):
        if isinstance(found, Mapping) and key not in found:
            return None
        found = found[key] if isinstance(found, Mapping) else found
    if not isinstance(found, Mapping):
        raise BadParameter(expected(".".join(SECTION), "a table", found, shown(file)))
    return found


def _entries(file: Path, table: Mapping[str, Any]) -> Iterator[Setting]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from (Setting(file, name, key, inner) for key, inner in value.items())
        else:
            yield Setting(file, "", name, value)
