"""``hub:OWNER/REPO:NAME``: networks of repositories with a hubconf.py, through torch.hub; or of such a folder."""

from __future__ import annotations

from collections.abc import Sequence

from benchsuite import Architecture, Family, UnknownName, expected, hookimpl

NOTE = (
    "A function of a repository's hubconf.py, through torch.hub: hub:OWNER/REPO[:BRANCH]:NAME or hub:./FOLDER:NAME. It "
    "is executed, so torch.hub must trust the repository already. Weights are given by file"
)


@hookimpl
def benchsuite_architectures() -> tuple[Family]:
    """The family ``hub``."""
    return (Family("hub", resolve, names, NOTE),)


def names() -> Sequence[str]:
    """Repositories are not listed."""
    return ()


def resolve(name: str) -> Architecture:
    """``OWNER/REPO:NAME`` or ``FOLDER:NAME`` -> the architecture. Raises a ``BenchsuiteError`` of one line."""
    repository, colon, entry = name.rpartition(":")
    if not colon or not repository or not entry:
        raise UnknownName(expected("a network of torch.hub", "written hub:OWNER/REPO:NAME or hub:./FOLDER:NAME", name))
    from benchsuite.plugins import _torch_hub

    return _torch_hub.architecture(repository, entry)
