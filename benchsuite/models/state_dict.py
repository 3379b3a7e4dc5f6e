"""Reads and writes checkpoints: tensors by name. Nothing in a file is executed."""

from __future__ import annotations

import dataclasses
import json
import re
import warnings
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchsuite.errors import WeightsError, expected, first_line
from benchsuite.specs.preprocess import Preprocess

PREPROCESS_KEY = "benchsuite.preprocess"
TRAINED_KEY = "benchsuite.trained"


def read_state(path: Path) -> Mapping[str, Any]:
    """The tensors of a checkpoint by name, without the prefix of DataParallel. Nothing in the file is executed.

    Raises ``WeightsError`` for a file that is no checkpoint, is damaged, or would run code when it is read.
    """
    import torch

    content: Any = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_pickle(path)
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not all(isinstance(v, torch.Tensor) for v in content.values()):
        raise WeightsError(expected("a checkpoint", "a dictionary of tensors", type(content).__name__, str(path)))
    state = OrderedDict((name.removeprefix("module."), tensor) for name, tensor in content.items())
    if len(state) < len(content):
        raise WeightsError(expected("a checkpoint", "of one network", "names with and without 'module.'", str(path)))
    return state


def save_state(path: Path, module: Any, preprocess: Preprocess, trained: Mapping[str, str] | None = None) -> None:
    """Writes a network's tensors as safetensors, with the preprocessing of its training in the file's metadata.

    ``trained`` describes the network: the ``architecture`` with its options, and a ``label`` for people.
    """
    from safetensors.torch import save

    tensors = {n: t.detach().cpu().contiguous().clone() for n, t in module.state_dict().items()}
    metadata = {PREPROCESS_KEY: json.dumps(dataclasses.asdict(preprocess))}
    metadata |= {TRAINED_KEY: json.dumps(dict(trained))} if trained else {}
    path.write_bytes(save(tensors, metadata))


def _read_safetensors(path: Path) -> Any:
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except Exception as error:
        raise WeightsError(
            expected("a checkpoint", "a complete .safetensors file", failure_reason(error), str(path))
        ) from None


def _read_pickle(path: Path) -> Any:
    import torch

    try:
        with path.open("rb") as file:
            head = file.read(8)
        if not head.startswith((b"PK", b"\x80")):
            got = f"a file that begins with {head!r}" if head else "an empty file"
            raise WeightsError(expected("a checkpoint", "a file that torch.save wrote", got, str(path)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except WeightsError:
        raise
    except Exception as error:
        raise WeightsError(
            expected("a checkpoint", "tensors in a complete file", failure_reason(error), str(path))
        ) from None


def stored_metadata(path: Path) -> tuple[Preprocess | None, dict[str, str]]:
    """The preprocessing and the ``trained`` that ``save_state`` wrote into a file; None and {} for other files."""
    if path.suffix.lower() != ".safetensors":
        return None, {}
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
        trained = {str(k): str(v) for k, v in json.loads(metadata.get(TRAINED_KEY, "{}")).items()}
        if PREPROCESS_KEY not in metadata:
            return None, trained
        stored = json.loads(metadata[PREPROCESS_KEY])
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        return Preprocess(**fields), trained
    except (SafetensorError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            expected("a checkpoint", "a complete .safetensors file", failure_reason(error), str(path))
        ) from None


def load_into(module: Any, state: Mapping[str, Any], what: str) -> None:
    """Copies a checkpoint into a network.

    Raises ``WeightsError`` unless the checkpoint has exactly the network's tensors, with their shapes. Only
    ``num_batches_tracked`` may be missing.
    """
    own = module.state_dict()
    wrong = [n for n in own if n in state and own[n].shape != state[n].shape]
    missing = [n for n in own if n not in state and not n.endswith("num_batches_tracked")]
    extra = [n for n in state if n not in own]
    if missing or extra:
        kind, names = ("without", missing) if missing else ("with unknown", extra)
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise WeightsError(expected("the checkpoint", "one of this network", f"one {kind} {names[0]}{more}", what))
    if wrong:
        n = wrong[0]
        raise WeightsError(
            expected(f"{n} of the checkpoint", f"of shape {tuple(own[n].shape)}", f"{tuple(state[n].shape)}", what)
        )
    named = OrderedDict(state)
    named._metadata = getattr(state, "_metadata", None) or getattr(own, "_metadata", None)  # type: ignore[attr-defined]
    try:
        module.load_state_dict(named, strict=False)
    except Exception as error:
        raise WeightsError(expected("the checkpoint", "one of this network", failure_reason(error), what)) from error


def failure_reason(error: Exception) -> str:
    """Why a file could not be read or downloaded, in one line."""
    text = str(error)
    imported = re.search(r"GLOBAL ([\w.]+)", text)
    if imported:
        return f"one that imports {imported[1].rstrip('.')} when it is read, which could run code (refused)"
    return first_line(error).rstrip(".")
