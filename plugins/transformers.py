"""``hf:ORG/NAME``: image classifiers of transformers, preprocessed as their own processor says; or of a folder."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite import Architecture, Family, UnknownName, expected, hookimpl

NOTE = (
    "An image classifier of transformers: hf:ORG/NAME of the Hugging Face hub, or hf:./FOLDER. Preprocessed as its own "
    "processor says; its weights are called pretrained. Needs pip install 'benchsuite[transformers]'"
)


@hookimpl
def benchsuite_architectures() -> tuple[Family]:
    """The family ``hf``."""
    return (Family("hf", resolve, names, NOTE),)


def names() -> Sequence[str]:
    """The hub is not listed."""
    return ()


def resolve(name: str) -> Architecture:
    """``ORG/NAME`` or ``./FOLDER`` -> the architecture. Raises a ``BenchsuiteError`` of one line."""
    if "/" not in name:
        raise UnknownName(expected("a model of transformers", "written hf:ORG/NAME or hf:./FOLDER", name))
    from benchsuite.plugins import _transformers

    return _transformers.architecture(name)
