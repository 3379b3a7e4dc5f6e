"""Pretrained weights: files on disk are used first, else the libraries download them."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchsuite import cache_dir

PATIENCE = 5.0
"""Seconds to wait for a server's first answer; the libraries themselves would wait a minute or more."""


def torch_file(url: str) -> str:
    """Instruction for users without a connection: which file to download, and where torch.hub looks for it."""
    return f"Download {url} and put it in $TORCH_HOME/hub/checkpoints (usually ~/.cache/torch/hub/checkpoints)"


def timm_url(hub_id: str) -> str:
    """The address of a model's file on the Hugging Face hub."""
    return f"https://huggingface.co/{hub_id}/resolve/main/model.safetensors"


def timm_file(name: str, url: str) -> str:
    """Instruction for users without a connection: which file of timm to download, and where to save it."""
    return (
        f"Download {url} and save it as weights/timm/{name}{Path(url).suffix} in benchsuite's cache "
        "($BENCHSUITE_CACHE, usually ~/.cache/benchsuite)"
    )


def torchvision_state(name: str, weights: str) -> Mapping[str, Any]:
    """The state dict of torchvision's weights with today's names of tensors, without auxiliary heads."""
    import torchvision

    entry = torchvision.models.get_model_weights(name)[weights]
    _check_checkpoint(entry.url)
    state: dict[str, Any] = entry.get_state_dict(progress=True, check_hash=True, map_location="cpu", weights_only=True)
    renamed = OrderedDict(torchvision_names(state))
    renamed._metadata = getattr(state, "_metadata", None)  # type: ignore[attr-defined]  # versions of some networks
    return renamed


def torchvision_names(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """Tensors of torchvision by today's names, without those of auxiliary heads, which are used in training only."""
    kept = ((name, tensor) for name, tensor in tensors.items() if not re.match(r"(aux[12]|AuxLogits)\.", name))
    return {re.sub(r"(denselayer\d+\.(?:norm|relu|conv))\.(?=[12]\.)", r"\1", name): tensor for name, tensor in kept}


def trained_state(url: str) -> Mapping[str, Any]:
    """The state dict inside a training checkpoint, without the prefix of DataParallel."""
    import torch

    _check_checkpoint(url)
    checkpoint = torch.hub.load_state_dict_from_url(url, map_location="cpu", check_hash=True, weights_only=True)
    return {name.removeprefix("module."): tensor for name, tensor in checkpoint["state_dict"].items()}


def timm_state(name: str) -> Mapping[str, Any]:
    """The state dict of timm's ``NAME.TAG``, with timm's own conversion of older formats.

    Looks first in ``weights/timm`` of the cache, then where huggingface_hub and torch keep their files.
    """
    import timm

    config = timm.get_pretrained_cfg(name)
    file = _own_file(name) or (_hub_file(config.hf_hub_id) if config.hf_hub_id else None)
    if file is not None:
        given = {"file": str(file), "custom_load": False}
        module = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=given)
    else:
        if not config.hf_hub_id:
            _check_checkpoint(config.url)
        timm.models.set_pretrained_download_progress(True)
        timm.models.set_pretrained_check_hash(True)
        module = timm.create_model(name, pretrained=True)
    state: dict[str, Any] = module.state_dict()
    return state


def timm_conversion(tensors: Mapping[str, Any], module: Any) -> Mapping[str, Any]:
    """The conversion of files with other names that timm itself has for a network, in the module of its class.

    Raises ``LookupError`` if it has none.
    """
    import inspect
    import sys

    own = vars(sys.modules[type(module).__module__])
    convert = own.get("checkpoint_filter_fn") or own.get("_filter_fn")
    if convert is None:
        raise LookupError(f"timm converts no files for {type(module).__name__}")
    takes = [p for p in inspect.signature(convert).parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD]
    converted: Mapping[str, Any] = convert(dict(tensors), module) if len(takes) > 1 else convert(dict(tensors))
    return converted


def check_connection(url: str) -> None:
    """Requests a file's header. Raises ``ConnectionError`` if no server answers within ``PATIENCE`` seconds."""
    import ssl
    import urllib.error
    import urllib.parse
    import urllib.request

    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "benchsuite"})  # noqa: S310
    try:
        urllib.request.urlopen(request, timeout=PATIENCE).close()  # noqa: S310
    except urllib.error.HTTPError:
        return
    except OSError as error:
        reason = getattr(error, "reason", error)
        if not isinstance(reason, ssl.SSLError):
            raise ConnectionError(f"no connection to {urllib.parse.urlsplit(url).netloc} ({reason})") from error


def _check_checkpoint(url: str) -> None:
    """Checks the connection for a file that torch.hub does not have on disk and would download."""
    import torch

    if not Path(torch.hub.get_dir(), "checkpoints", Path(url).name).is_file():
        check_connection(url)


def _own_file(name: str) -> Path | None:
    """The file of timm's weights that the user put into benchsuite's cache, or None."""
    files = (cache_dir() / "weights" / "timm" / f"{name}{suffix}" for suffix in (".safetensors", ".pth", ".bin"))
    return next((file for file in files if file.is_file()), None)


def _hub_file(hub_id: str) -> Path | None:
    """A model's file in huggingface_hub's cache, downloaded if missing; None if the hub has no file of that name."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError

    name = "model.safetensors"
    try:
        return Path(huggingface_hub.hf_hub_download(hub_id, name, local_files_only=True))
    except EntryNotFoundError:
        check_connection(huggingface_hub.hf_hub_url(hub_id, name))
    try:
        return Path(huggingface_hub.hf_hub_download(hub_id, name))
    except EntryNotFoundError:
        return None
