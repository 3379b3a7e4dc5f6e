"""A network's state dict: written with its preprocessing, and copied into a network."""

from __future__ import annotations

import dataclasses
import json
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchsuite.errors import WeightsError, expected
from benchsuite.models.checkpoints.files import failure_reason, metadata
from benchsuite.specs.preprocess import Preprocess

PREPROCESS_KEY = "benchsuite.preprocess"
TRAINED_KEY = "benchsuite.trained"


def save_state(path: Path, module: Any, preprocess: Preprocess, trained: Mapping[str, str] | None = None) -> None:
    """Writes a network's tensors as safetensors, with the preprocessing of its training in the file's metadata.

    ``trained`` describes the network: the ``architecture`` with its options, and a ``label`` for people.
    """
    from safetensors.torch import save

    tensors = {n: t.detach().cpu().contiguous().clone() for n, t in module.state_dict().items()}
    metadata = {PREPROCESS_KEY: json.dumps(dataclasses.asdict(preprocess))}
    metadata |= {TRAINED_KEY: json.dumps(dict(trained))} if trained else {}
    path.write_bytes(save(tensors, metadata))


def stored_metadata(path: Path) -> tuple[Preprocess | None, dict[str, str]]:
    """The preprocessing and the ``trained`` that ``save_state`` wrote into a file; None and {} for other files."""
    text = metadata(path)
    try:
        trained = {str(k): str(v) for k, v in json.loads(text.get(TRAINED_KEY, "{}")).items()}
        if PREPROCESS_KEY not in text:
            return None, trained
        stored = json.loads(text[PREPROCESS_KEY])
        fields: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in stored.items()}
        return Preprocess(**fields), trained
    except (ValueError, TypeError, AttributeError) as error:
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
