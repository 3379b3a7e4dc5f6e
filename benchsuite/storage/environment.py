"""The environment of a run: versions of packages, machine, operating system, number of CPUs."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from typing import Any

PACKAGES = ("benchsuite", "numpy", "pillow", "torch", "torchvision", "timm", "pyarrow")


def environment() -> dict[str, Any]:
    """The environment that a manifest records: the ``versions`` of Python and the packages, and the ``hardware``."""
    return {
        "versions": {"python": platform.python_version(), **{p: _version(p) for p in PACKAGES}},
        "hardware": {"machine": platform.machine(), "system": platform.system(), "cpus": os.cpu_count()},
    }


def described() -> list[str]:
    """The environment in lines; the first is benchsuite's own version. Imports no package."""
    found = environment()
    own, *others = ((name, version) for name, version in found["versions"].items() if name != "python")
    machine = found["hardware"]
    return [
        " ".join(filter(None, own)),
        f"Python {found['versions']['python']}, {machine['system']} {machine['machine']}, {machine['cpus']} CPUs",
        ", ".join(f"{name} {version or 'is not installed'}" for name, version in others),
    ]


def _version(package: str) -> str | None:
    module = sys.modules.get("PIL" if package == "pillow" else package)
    if module is not None and isinstance(getattr(module, "__version__", None), str):
        return str(module.__version__)
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
