"""Checkpoints: where a training goes on after a kill. Written whole or not at all, and read without running code."""

from __future__ import annotations

import contextlib
import io
import shutil
from pathlib import Path
from typing import Any

import torch

from benchsuite.errors import StorageError, TrainingError, expected, first_line
from benchsuite.storage.files import writing

State = dict[str, Any]
"""Tensors, numbers and texts, in dictionaries and lists."""

HINT = "--fresh starts again"


def save(path: Path, state: State) -> int:
    """Writes a checkpoint and returns its bytes. Raises ``StorageError`` for a full disk; the one before stays."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with writing(path) as part, part.open("wb") as file:
        file.write(buffer.getbuffer())  # write_bytes would keep a view in the traceback of an error
    return buffer.tell()


def load(path: Path, identity: str, what: str) -> State | None:
    """The checkpoint at ``path``, on the CPU, or None where there is none.

    ``identity`` is the digest of what is trained and ``what`` its name in words: raises ``TrainingError`` for a
    checkpoint of something else, and for a damaged one.
    """
    if not path.is_file():
        return None
    try:
        found: Any = torch.load(path, map_location="cpu", weights_only=True)
        kept, name = found["identity"], found["what"]
    except Exception as error:  # a damaged file raises many types
        raise TrainingError(expected("the checkpoint", f"whole; {HINT}", first_line(error), str(path))) from None
    if kept != identity:
        got = name if name != what else f"{name} of other data or options"
        raise TrainingError(expected("the checkpoint", f"one of {what}; {HINT}", got, str(path)))
    return dict(found)


def remove(path: Path) -> None:
    """Deletes a checkpoint that is no longer needed."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def check_room(folder: Path, module: Any) -> None:
    """Raises ``StorageError`` before any work where a checkpoint would not fit: weights, two moments, and a copy."""
    needed = 6 * sum(t.numel() * t.element_size() for t in module.state_dict().values())
    near = next((p for p in (folder, *folder.parents) if p.exists()), Path())
    free = shutil.disk_usage(near).free
    if free < needed:
        got = f"{free / 2**20:.0f} MiB"
        raise StorageError(expected("the room for checkpoints", f"at least {needed / 2**20:.0f} MiB", got, str(folder)))
