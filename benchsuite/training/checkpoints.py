"""Checkpoints, from which a stopped training resumes. Written atomically, and read without executing code in them."""

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
"""Tensors, numbers and strings in nested dictionaries, lists and tuples."""

HINT = "--fresh starts again"


def save(path: Path, state: State) -> int:
    """Writes a checkpoint and returns its size in bytes.

    Raises ``StorageError`` for a full disk; the previous checkpoint is kept.
    """
    buffer = io.BytesIO()
    torch.save(state, buffer)
    with writing(path) as part, part.open("wb") as file:
        file.write(buffer.getbuffer())  # write_bytes: an error's traceback would keep a view of the buffer
    return buffer.tell()


def load(path: Path, identity: str, what: str) -> State | None:
    """The checkpoint at ``path``, on the CPU, or None if there is none.

    ``identity`` is the digest of the training and ``what`` its name. Raises ``TrainingError`` for a checkpoint of
    another training, and for a damaged one.
    """
    if not path.is_file():
        return None
    try:
        state: Any = torch.load(path, map_location="cpu", weights_only=True)
        saved_identity, saved_what = state["identity"], state["what"]
    except Exception as error:  # a damaged file raises many types
        raise TrainingError(expected("the checkpoint", f"whole; {HINT}", first_line(error), str(path))) from None
    if saved_identity != identity:
        got = saved_what if saved_what != what else f"{saved_what} of other data or options"
        raise TrainingError(expected("the checkpoint", f"one of {what}; {HINT}", got, str(path)))
    return dict(state)


def remove(path: Path) -> None:
    """Deletes a checkpoint that is no longer needed."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def check_room(folder: Path, module: Any) -> None:
    """Raises ``StorageError`` if a checkpoint would not fit on the disk, before the first step.

    Room is needed for weights and two moments of the optimiser, twice: a new checkpoint is written next to the old one.
    """
    needed = 6 * sum(t.numel() * t.element_size() for t in module.state_dict().values())
    existing = next((p for p in (folder, *folder.parents) if p.exists()), Path())
    free = shutil.disk_usage(existing).free
    if free < needed:
        got = f"{free / 2**20:.0f} MiB"
        raise StorageError(expected("the room for checkpoints", f"at least {needed / 2**20:.0f} MiB", got, str(folder)))
