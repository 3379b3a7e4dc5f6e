"""Writes a plugin of one's own: a distribution with one module, one test, README, tox.ini and a CI file."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from benchsuite.contract import with_article
from benchsuite.errors import BadParameter, StorageError, expected, unknown_name

NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")

LONGEST = 30
"""Characters of a name: what is written from it then fits into lines of 120."""

SHARED = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "tox.ini": "tox.ini",
    "ci.yml": ".github/workflows/tests.yml",
    "gitignore": ".gitignore",
    "test.py": "tests/test_@MODULE@.py",
}
"""Templates that every kind has, without .txt, and the files that they become."""


@dataclass(frozen=True, slots=True)
class NewPlugin:
    """A distribution that was written: its ``folder``, its ``files`` in it, and the ``commands`` to try it."""

    folder: Path
    files: tuple[Path, ...]
    commands: tuple[str, ...]


def new_plugin(name: str, kind: str, into: Path) -> NewPlugin:
    """Writes the distribution ``name`` into the folder ``into/name``, which must not exist.

    Raises ``BadParameter`` for a name that cannot be a package and an entry point, ``UnknownName`` for another kind,
    and ``StorageError`` for a folder that exists or cannot be written.
    """
    from benchsuite import __version__

    module = name.replace("-", "_")
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        rule = f"at most {LONGEST} lower-case letters, digits and single dashes"
        raise BadParameter(expected("the name of a plugin", rule, name))
    if keyword.iskeyword(module) or module in sys.stdlib_module_names or module == "benchsuite":
        raise BadParameter(expected("the name of a plugin", "one that Python does not use itself", name))
    if kind not in USES:
        raise unknown_name("kind of plugin", kind, USES)
    folder = into / name
    if folder.exists():
        raise StorageError(expected("the folder of a new plugin", "one that does not exist", str(folder)))
    words = {"@NAME@": name, "@MODULE@": module, "@KIND@": with_article(kind), "@VERSION@": __version__}
    words["@USE@"] = USES[kind].replace("@NAME@", name)
    files = []
    for template, file in (SHARED | {f"{kind}.py": f"{module}.py"}).items():
        text = (resources.files("benchsuite.scaffold") / "templates" / f"{template}.txt").read_text(encoding="utf-8")
        for word, value in words.items():
            text = text.replace(word, value)
        target = Path(file.replace("@MODULE@", module))
        path = folder / target
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageError(expected("a new plugin", "one that can be written", str(error), str(path))) from None
        files.append(target)
    commands = (f"pip install -e '{folder}[test]'", f"benchsuite plugin check {name}", f"pytest {folder}")
    return NewPlugin(folder, tuple(files), commands)


USES = {
    "architecture": "benchsuite run @NAME@ --weights random",
    "protocol": "benchsuite run resnet20 -p @NAME@ --weights random",
    "perturbation": "benchsuite run resnet20 -p @NAME@ --weights random",
    "transform": "benchsuite run resnet20 --transform @NAME@ --weights random",
    "dataset": "benchsuite run resnet20 --data @NAME@ --weights random",
    "loader": "benchsuite run resnet20 --loader @NAME@ --weights random",
    "reporter": "benchsuite run resnet20 --format @NAME@ --weights random",
}
"""A command that uses what each kind of plugin declares."""
