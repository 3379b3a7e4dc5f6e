"""Files and folders of file systems and programs, which are in a data set without belonging to it."""

from __future__ import annotations

SYSTEM = (
    "@eaDir",
    "@Recycle",
    "#recycle",
    "#snapshot",
    "__MACOSX",
    "lost+found",
    "$RECYCLE.BIN",
    "System Volume Information",
    "Thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
)
"""Names of such files and folders, in any case; hidden ones (``.ipynb_checkpoints``, ``._NAME``) too."""
_KINDS = {name.lower(): name for name in SYSTEM}


def system_kind(path: str) -> str:
    """The first part of a path, with ``/``, that is hidden (``hidden``) or one of ``SYSTEM``; empty if none is."""
    for part in path.split("/"):
        if part.startswith(".") and part not in (".", ".."):
            return "hidden"
        if kind := _KINDS.get(part.lower()):
            return kind
    return ""
