"""Places where jobs run, as the user names them: ``local``, ``slurm:timeout_min=60``, ``ray:HOST:6379,num_gpus=1``."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchsuite.errors import BadParameter, BenchsuiteError, expected, unknown_name

EXTRAS = {"slurm": "submitit", "ray": "ray"}
"""The package of each place other than this machine."""

VERSIONS = ("same", "any")
"""Values of the option ``versions``: whether a node may have other versions of torch and Pillow than this machine."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where jobs run. ``options`` are those of submitit's executor, or of ``ray.remote`` and the cluster's address."""

    name: str = "local"
    options: Mapping[str, Any] = field(default_factory=dict)
    any_versions: bool = False

    @property
    def is_local(self) -> bool:
        """Whether jobs run on this machine."""
        return self.name == "local"


def place(text: str, tables: Mapping[str, Mapping[str, Any]] | None = None) -> Place:
    """The place that ``--on`` names; ``tables`` are the options by place in a sweep file, which those in the text beat.

    Raises ``UnknownName`` for an unknown place, ``BadParameter`` for options that cannot be read, and
    ``BenchsuiteError`` if the place's package is not installed.
    """
    name, _, rest = text.partition(":")
    if name not in ("local", *EXTRAS):
        raise unknown_name("place", name, ("local", *EXTRAS))
    options = dict((tables or {}).get(name, {}))
    for part in rest.split(",") if rest else ():
        key, sign, value = part.partition("=")
        if not sign and name == "ray":
            key, value = "address", part
        elif not sign or name == "local":
            raise BadParameter(expected("--on", "local, or a place with options such as slurm:timeout_min=60", text))
        options[key.strip()] = _value(value.strip())
    if name in EXTRAS:
        package(name)
    versions = options.pop("versions", "same")
    if versions not in VERSIONS:
        raise BadParameter(expected(f"versions of {name}", "same or any", versions))
    return Place(name, options, versions == "any")


def package(name: str) -> Any:
    """The package of a place. Raises ``BenchsuiteError`` if it is not installed."""
    try:
        return importlib.import_module(EXTRAS[name])
    except ImportError:
        got = f"no package {EXTRAS[name]}"
        raise BenchsuiteError(expected(f"--on {name}", f"installed: pip install 'benchsuite[{name}]'", got)) from None


def _value(text: str) -> Any:
    """A number, true or false as such, anything else as text."""
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
