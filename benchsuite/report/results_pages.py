"""Pages of results: prose, and tables between marks, which are regenerated from the runs next to the page.

A table is between ``<!-- table KIND WORD... -->`` and ``<!-- end of table -->``, each on a line of its own. The words
are split as in a shell, and paths among them are relative to the page's folder.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchsuite.errors import DataError, StorageError, expected
from benchsuite.storage.files import writing

BEGIN = re.compile(r"<!--\s*table\s+(?P<words>.+?)\s*-->\s*")
END = "<!-- end of table -->"

Maker = Callable[[Path, Sequence[str]], "RenderedTable"]


@dataclass(frozen=True, slots=True)
class RenderedTable:
    """The text between two marks, and the files next to the page that it shows, as (name, text)."""

    text: str
    files: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """A regenerated page: ``files`` holds the new texts of the page and of the files that it shows.

    ``faults`` holds a message for each table that cannot be made, for example from data that contradicts itself.
    """

    path: Path
    tables: int
    files: tuple[tuple[Path, str], ...]
    faults: tuple[str, ...]

    @property
    def changed(self) -> tuple[Path, ...]:
        """The files whose text on disk differs from the new text."""
        return tuple(path for path, text in self.files if _read(path, missing="") != text)

    def write(self) -> tuple[Path, ...]:
        """Writes the changed files and returns their paths."""
        changed = self.changed
        for path, text in self.files:
            if path in changed:
                with writing(path) as part:
                    part.write_text(text, encoding="utf-8", newline="\n")
        return changed


def pages_in(results: Path) -> list[Path]:
    """The Markdown pages of a results folder and of its subfolders. Raises ``StorageError`` if there is none."""
    pages = sorted([*results.glob("*.md"), *results.glob("*/*.md")])
    if not pages:
        raise StorageError(expected("the results folder", "one with a page in it", "none", f"{results}/*.md"))
    return pages


def regenerate(path: Path, make: Maker) -> Page:
    """Regenerates every table of the page. Raises ``DataError`` for a begin mark or an end mark without the other."""
    text = _read(path)
    lines, files, faults, tables = list[str](), dict[Path, str](), list[str](), 0
    for words, old in parts(text, str(path)):
        if words is None:
            lines += old
            continue
        tables += 1
        try:
            table = make(path.parent, words)
        except DataError as error:
            faults.append(str(error))
            lines += old
            continue
        lines += [old[0], "", table.text, "", old[-1]]
        files |= {path.parent / name: content for name, content in table.files}
    whole = "\n".join(lines) + ("\n" if text.endswith("\n") else "")
    return Page(path, tables, ((path, whole), *files.items()), tuple(faults))


def parts(text: str, where: str) -> Iterator[tuple[list[str] | None, list[str]]]:
    """The lines of a page in order: prose as (None, lines), a table as (its words, its lines from mark to mark)."""
    lines: list[str] = []
    words: list[str] | None = None
    fenced = False
    for number, line in enumerate(text.splitlines(), 1):
        mark = None if fenced else BEGIN.fullmatch(line)
        ends = line.strip() == END and not fenced
        if (mark and words is not None) or (ends and words is None):
            rule = f"closed by {END} before the next" if mark else "the end of a table that has begun"
            raise DataError(expected("a mark", rule, line.strip(), f"{where}, line {number}"))
        if mark:
            yield None, lines
            words, lines = _words(mark["words"], f"{where}, line {number}"), []
        elif words is None and line.lstrip().startswith("```"):
            fenced = not fenced
        lines.append(line)
        if ends:
            yield words, lines
            words, lines = None, []
    if words is not None:
        raise DataError(expected("a table", f"closed by {END}", "the end of the page", where))
    yield None, lines


def _words(text: str, where: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise DataError(expected("the words of a table", "quoted as in a shell", str(error), where)) from None


def _read(path: Path, *, missing: str | None = None) -> str:
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        if missing is None:
            raise StorageError(f"Cannot read {path}: no such file") from None
        return missing
    except (OSError, UnicodeDecodeError) as error:
        raise StorageError(f"Cannot read {path}: {error}") from error
