"""Models saved with timm, on the Hugging Face hub (``hf-hub:USER/MODEL``) or in a folder (``local-dir:FOLDER``)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from benchsuite import UnknownName, WeightsError, expected, first_line


def load_config(name: str) -> tuple[Any, str]:
    """Timm's ``PretrainedCfg`` of a saved model, and the name of its network.

    Raises ``UnknownName`` if its config.json cannot be had or is not timm's.
    """
    from timm.models import _hub
    from timm.models._pretrained import PretrainedCfg

    scheme, _, place = name.partition(":")
    load = _hub.load_model_config_from_hf if scheme == "hf-hub" else _hub.load_model_config_from_path
    try:
        values, model, _ = load(place)
        known = {field.name for field in dataclasses.fields(PretrainedCfg)}
        return PretrainedCfg(**{key: value for key, value in values.items() if key in known}), str(model)
    except Exception as error:
        got = f"{type(error).__name__}: {first_line(error)}"
        raise UnknownName(expected(f"timm:{name}", "a model that timm saved", got)) from error


def saved_state(name: str) -> Mapping[str, Any]:
    """The state dict of a saved model, as timm loads it."""
    import timm

    try:
        state: Mapping[str, Any] = timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:
        what, rule = f"the weights of timm:{name}", "a file that timm can load"
        raise WeightsError(expected(what, rule, first_line(error))) from error
    return state
