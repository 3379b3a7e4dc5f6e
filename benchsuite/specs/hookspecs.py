"""The plugin interface: six hooks, each of which returns values. A plugin implements the hooks that it needs.

Import ``hookimpl`` from ``benchsuite``, decorate functions with these names in a module, and name the module in the
entry-point group ``benchsuite``.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from benchsuite.specs.architecture import Architecture, Family, Transform
from benchsuite.specs.dataset import Dataset
from benchsuite.specs.loader import Loader
from benchsuite.specs.protocol import Protocol
from benchsuite.specs.reporter import Reporter

hookspec = pluggy.HookspecMarker("benchsuite")
hookimpl = pluggy.HookimplMarker("benchsuite")


@hookspec
def benchsuite_architectures() -> Iterable[Architecture | Family]:  # type: ignore[empty-body]
    """Networks, or families of networks that are made on demand (``PREFIX:NAME``)."""


@hookspec
def benchsuite_protocols() -> Iterable[Protocol]:  # type: ignore[empty-body]
    """Test protocols: which views, and how their logits are combined."""


@hookspec
def benchsuite_datasets() -> Iterable[Dataset]:  # type: ignore[empty-body]
    """Datasets: samples with ids and labels, and how to read one."""


@hookspec
def benchsuite_loaders() -> Iterable[Loader]:  # type: ignore[empty-body]
    """Loaders: how images are read, one by one or from a prepared file, and whether their pixels are exact."""


@hookspec
def benchsuite_reporters() -> Iterable[Reporter]:  # type: ignore[empty-body]
    """Reporters: how results are written, as text or into the store of another tool."""


@hookspec
def benchsuite_transforms() -> Iterable[Transform]:  # type: ignore[empty-body]
    """Transforms: how the weights of a network are changed before they are tested."""
