"""Weights: chosen by name, file, or training; read without running code; checked against the network."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchsuite.chunks import cache_dir
from benchsuite.errors import WeightsError, expected, unknown_name
from benchsuite.keys import digest
from benchsuite.specs import Architecture, Dataset, Preprocess, Recipe, Weights

PREPROCESS_KEY = "benchsuite.preprocess"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The weights of one run: a label for people, a key for digests, and the preprocessing that goes with them."""

    label: str
    key: str
    preprocess: Preprocess
    declared: Weights | None = None
    path: Path | None = None
    recipe: Recipe | None = None
    seed: int = 0


def choose(architecture: Architecture, dataset: Dataset, asked: str | None, seed: int) -> Chosen:
    """What ``--weights`` means for this network and dataset. Reads a file's digest; loads nothing.

    Raises ``WeightsError`` when nothing can be chosen and ``UnknownName`` for a name that is not declared.
    """
    declared = {w.name: w for w in architecture.weights}
    if asked is None and dataset.recipe is not None:
        path = trained_path(architecture, dataset.recipe)
        return Chosen(
            f"trained here ({dataset.recipe.name})",
            digest(dataclasses.asdict(dataset.recipe)),
            dataset.recipe.preprocess,
            path=path,
            recipe=dataset.recipe,
        )
    usual = dataset.preprocess or architecture.preprocess
    if asked == "random":
        return Chosen(f"random (seed {seed})", f"random:{seed}", usual, seed=seed)
    if asked is None:
        if not declared or dataset.preprocess is not None:
            what = "declares no weights" if not declared else f"declares none for {dataset.name}"
            raise WeightsError(
                f"Expected --weights for {architecture.name} on {dataset.name}, got none: the architecture {what}. "
                "Give a file (.pth, .pt, .safetensors) or random"
            )
        asked = next(iter(declared))
    if asked in declared:
        w = declared[asked]
        return Chosen(w.name, f"{architecture.name}:{w.name}:{w.source}", w.preprocess, declared=w)
    path = Path(asked).expanduser()
    if not path.is_file():
        if path.suffix or os.sep in asked:
            raise WeightsError(expected("--weights", "a name or a file", f"{asked}, which is no file"))
        raise unknown_name(f"weights of {architecture.name}", asked, [*declared, "random"])
    with path.open("rb") as file:
        key = hashlib.file_digest(file, "sha256").hexdigest()
    return Chosen(path.name, key, _stored_preprocess(path) or usual, path=path)


def trained_path(architecture: Architecture, recipe: Recipe) -> Path:
    """Where weights that a recipe made for an architecture are kept, in the user's cache."""
    key = digest([architecture.name, dataclasses.asdict(recipe)])[:12]
    name = architecture.name.replace(":", "_").replace("/", "_")
    return cache_dir() / "weights" / f"{name}-{recipe.name}-{key}.safetensors"


def build(architecture: Architecture, chosen: Chosen, classes: int) -> Any:
    """The network with its weights, on the CPU. Downloads declared weights by their library's own means.

    Raises ``WeightsError`` in one line: no connection (and which file to put where), another network's checkpoint, a
    checkpoint that would run code.
    """
    import torch

    torch.manual_seed(chosen.seed)
    outputs = chosen.declared.classes if chosen.declared else classes
    module = architecture.build(outputs)
    if chosen.declared is not None:
        try:
            state = chosen.declared.load()
        except WeightsError:
            raise
        except Exception as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise WeightsError(
                f"Cannot get the weights {chosen.label} of {architecture.name}: {reason}. {chosen.declared.file}"
            ) from error
    elif chosen.path is not None:
        state = read_state(chosen.path)
    else:
        return module
    _load(module, state, f"{architecture.name}, weights {chosen.label}")
    return module


def read_state(path: Path) -> Mapping[str, Any]:
    """The tensors of a checkpoint by name. Nothing in the file is executed. Raises ``WeightsError``."""
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        text = str(error)
        if "weights_only" in text or "Unsupported" in text:
            raise WeightsError(
                expected("a checkpoint", "tensors only", "one that would run code when it is read (refused)", str(path))
            ) from None
        reason = (text.splitlines() or [type(error).__name__])[0]
        raise WeightsError(expected("a checkpoint", "a readable .pth or .safetensors", reason, str(path))) from None
    for key in ("state_dict", "model", "model_state_dict"):
        if isinstance(found, Mapping) and isinstance(found.get(key), Mapping):
            found = found[key]
    if not isinstance(found, Mapping) or not all(isinstance(v, torch.Tensor) for v in found.values()):
        raise WeightsError(expected("a checkpoint", "a dictionary of tensors", type(found).__name__, str(path)))
    return {name.removeprefix("module."): tensor for name, tensor in found.items()}


def save_state(path: Path, module: Any, preprocess: Preprocess) -> None:
    """Writes a network's tensors as safetensors, with the preprocessing that it was trained with beside them."""
    from safetensors.torch import save_file

    tensors = {n: t.detach().cpu().contiguous().clone() for n, t in module.state_dict().items()}
    save_file(tensors, path, metadata={PREPROCESS_KEY: json.dumps(dataclasses.asdict(preprocess))})


def _stored_preprocess(path: Path) -> Preprocess | None:
    if path.suffix != ".safetensors":
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "np") as file:
            text = (file.metadata() or {}).get(PREPROCESS_KEY)
        fields = json.loads(text) if text else None
        return Preprocess(**{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}) if fields else None
    except (SafetensorError, ValueError, TypeError) as error:
        raise WeightsError(expected("a checkpoint", "a readable .safetensors", str(error), str(path))) from None


def _load(module: Any, state: Mapping[str, Any], what: str) -> None:
    own = module.state_dict()
    wrong = [n for n in own if n in state and own[n].shape != state[n].shape]
    missing = [n for n in own if n not in state and not n.endswith("num_batches_tracked")]
    extra = [n for n in state if n not in own]
    if wrong:
        n = wrong[0]
        raise WeightsError(
            expected(f"{n} of the checkpoint", f"of shape {tuple(own[n].shape)}", tuple(state[n].shape), what)
        )
    if missing or extra:
        kind, names = ("without", missing) if missing else ("with unknown", extra)
        raise WeightsError(
            expected("the checkpoint", "one of this network", f"one {kind} {names[0]} and {len(names) - 1} more", what)
        )
    module.load_state_dict(state, strict=False)
