"""``./my_net.py:build``: a network in a Python file that the user names. The file is executed, and never fetched."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite import Architecture, Family, UnknownName, expected, hookimpl

NOTE = (
    "A function or class in a Python file, as PATH.py:FUNCTION; the file is executed. FUNCTION(num_classes) returns "
    "the network; its keyword-only parameters are options: ./my_net.py:build:width=32. A PREPROCESS in the file is "
    "used for weights that bring none; else the usual one of the data set"
)


@hookimpl
def benchsuite_architectures() -> tuple[Family]:
    """The family ``file``."""
    return (Family("file", resolve, names, NOTE),)


def names() -> Sequence[str]:
    """Files are not listed."""
    return ()


def resolve(name: str) -> Architecture:
    """``PATH.py:FUNCTION`` -> the architecture. Raises a ``BenchsuiteError`` of one line for anything else."""
    path, _, function = name.partition(":")
    if not path.endswith(".py"):
        raise UnknownName(expected("a network in a file", "written PATH.py:FUNCTION", name))
    from benchsuite.plugins import _local_file

    return _local_file.architecture(path, function)
