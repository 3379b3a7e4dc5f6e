"""Networks of torch.hub: repositories that it trusts already, and local folders."""

from __future__ import annotations

import contextlib
import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from benchsuite import Architecture, PluginError, Preprocess, UnknownName, expected, first_line, unknown_name

T = TypeVar("T")

PLACEHOLDER = Preprocess(32, 32, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
"""hubconf.py declares no preprocessing: that of the weights or of the data set is used."""

KNOWN = ("facebookresearch", "facebookincubator", "pytorch", "fairinternal")
"""Owners of repositories that torch.hub trusts without a question."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Builds a network by a function of a hubconf.py, without its weights."""

    repository: str
    local: bool
    name: str

    def __call__(self, num_classes: int) -> Any:
        where = f"hub:{self.repository}:{self.name}"
        try:
            return self._load(num_classes=num_classes, pretrained=False)
        except TypeError as error:
            if "pretrained" not in str(error):
                raise PluginError(expected(where, "callable with num_classes", first_line(error))) from error
        try:
            return self._load(num_classes=num_classes)
        except TypeError as error:
            raise PluginError(expected(where, "callable with num_classes", first_line(error))) from error

    def _load(self, **options: Any) -> Any:
        source = "local" if self.local else "github"

        def load() -> Any:
            return torch.hub.load(self.repository, self.name, source=source, trust_repo="check", **options)

        return told(load, f"hub:{self.repository}:{self.name}")


def told(call: Callable[[], T], where: str) -> T:
    """What the call returns; what it prints goes to stderr. Errors other than ``TypeError`` become one line."""
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return call()
    except TypeError:
        raise
    except Exception as error:
        got = f"{type(error).__name__}: {first_line(error)}"
        raise PluginError(expected(where, "a network that torch.hub can load", got)) from error


def architecture(repository: str, entry: str) -> Architecture:
    """The network of ``OWNER/REPO[:BRANCH]`` or of a folder with a hubconf.py; its ``code`` is the digest of the files.

    Raises ``UnknownName`` for a folder without hubconf.py, a repository that is not trusted, and a name that the
    repository does not have.
    """
    if repository.startswith((".", "/", "~")):
        home = Path(repository).expanduser()
        if not (home / "hubconf.py").is_file():
            raise UnknownName(expected("a folder of torch.hub", "one with a hubconf.py", repository))
        build, homes = Entry(str(home), True, entry), [home]
    else:
        check_trusted(repository)
        known = told(lambda: torch.hub.list(repository, trust_repo="check"), f"hub:{repository}")
        if entry not in known:
            raise unknown_name(f"network of {repository}", entry, known)
        bare, _, branch = repository.partition(":")
        found = f"{bare.replace('/', '_')}_{branch.replace('/', '_') or '*'}"
        build, homes = Entry(repository, False, entry), sorted(Path(torch.hub.get_dir()).glob(found))
    return Architecture(
        f"hub:{repository}:{entry}",
        build,
        PLACEHOLDER,
        note=f"hubconf.py of {repository}; preprocessing: that of the weights, else the usual one of the data set",
        code=f"sha256 {digest(homes)[:16]}",
        preprocessing="never",
    )


def check_trusted(repository: str) -> None:
    """Raises ``UnknownName`` unless torch.hub trusts the repository already: its code is executed."""
    owner, slash, rest = repository.partition("/")
    name = rest.partition(":")[0]
    if not slash or not name:
        raise UnknownName(expected("a repository of torch.hub", "written OWNER/REPO", repository))
    listed = Path(torch.hub.get_dir(), "trusted_list")
    trusted = listed.read_text(encoding="utf-8").split() if listed.is_file() else []
    if owner not in KNOWN and f"{owner}_{name}" not in trusted:
        call = f"torch.hub.list({repository!r}, trust_repo=True)"
        rule = f"trusted by torch.hub, as its code is executed: read it, then call {call}"
        raise UnknownName(expected(f"the repository {repository}", rule, "one that is not"))


def digest(homes: list[Path]) -> str:
    """SHA-256 of all Python files of folders, with their names."""
    state = hashlib.sha256()
    for home in homes:
        for file in sorted(home.rglob("*.py")):
            name = file.relative_to(home).as_posix()
            state.update(name.encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return state.hexdigest()
