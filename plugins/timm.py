"""Every model of timm as ``timm:NAME`` or ``timm:NAME.TAG``, for example ``timm:resnet50.a1_in1k``."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from benchsuite import Architecture, BadParameter, Family, Input, Preprocess, UnknownName, Weights, expected, hookimpl

NOTE = (
    "Every model of timm, preprocessed as its own configuration says for testing. NAME takes timm's default weights "
    "and lists those of other tags; NAME.TAG takes that tag's; hf-hub:USER/MODEL and local-dir:FOLDER are saved ones"
)


@hookimpl
def benchsuite_architectures() -> tuple[Family]:
    """The family ``timm``."""
    return (Family("timm", resolve, names, NOTE),)


def names() -> Sequence[str]:
    """The architectures that timm lists, without tags."""
    import timm

    return tuple(timm.list_models())


def resolve(name: str) -> Architecture:
    """``NAME`` or ``NAME.TAG`` -> the architecture, with the weights of all its tags or of that tag.

    ``hf-hub:USER/MODEL`` is a model that somebody saved with timm on the Hugging Face hub, ``local-dir:FOLDER`` one in
    a folder. Raises ``UnknownName`` with the nearest name, and ``BadParameter`` for images that are padded or not
    square.
    """
    import timm

    if name.partition(":")[0] in ("hf-hub", "local-dir"):
        return _saved(name)
    bare, dot, _ = name.partition(".")
    configs = timm.models.get_arch_pretrained_cfgs(bare)
    if not configs or (dot and name not in configs):
        raise _unknown(name, configs)
    config = timm.get_pretrained_cfg(name)
    usual = preprocess(name, config)
    first = f"{bare}.{config.tag}" if config.tag else bare
    others = [n for n in configs if n != first and not dot]
    weights = tuple(w for n in (first, *others) for w in _weights(n, configs[n]))
    return Architecture(
        f"timm:{name}",
        partial(_build, name),
        usual,
        weights,
        Input(config.input_size[0], fixed=bool(config.fixed_input_size)),
        dense=None if config.fixed_input_size else "auto",
        note="" if weights else "timm has no weights with a classifier for it",
        adapt=_adapt,
    )


def _saved(name: str) -> Architecture:
    """A model saved with timm: its network, weights and preprocessing, as its config.json says."""
    from benchsuite.plugins._saved_timm import load_config, saved_state

    config, model = load_config(name)
    usual = preprocess(name, config)
    source, origin = f"timm: {name}", f"config.json of {name}"
    weights = Weights("saved", partial(saved_state, name), usual, config.num_classes, source, origin=origin)
    return Architecture(
        f"timm:{name}",
        partial(_build, name),
        usual,
        (weights,),
        Input(config.input_size[0], fixed=bool(config.fixed_input_size)),
        dense=None if config.fixed_input_size else "auto",
        note=f"{model} of timm, saved as {name}; preprocessing: its config.json",
    )


def preprocess(name: str, config: Any) -> Preprocess:
    """The test preprocessing of timm at the model's test size: a short side of floor(size / crop_pct), a centre crop.

    Raises ``BadParameter`` for what ``Preprocess`` cannot express: padding to a square, and input that is not square.
    """
    from timm.data import resolve_data_config

    data = resolve_data_config(pretrained_cfg=config.to_dict(), use_test_size=True)
    _, height, width = data["input_size"]
    if height != width:
        raise BadParameter(expected(f"the input of timm:{name}", "square", f"{height}x{width} pixels"))
    if data["crop_mode"] not in ("center", "squash"):
        got = f"{data['crop_mode']!r}, which pads the image to a square"
        raise BadParameter(expected(f"the crop mode of timm:{name}", "center or squash", got))
    side = math.floor(height / data["crop_pct"])
    resize = side if data["crop_mode"] == "center" else (side, side)
    return Preprocess(resize, height, data["interpolation"], tuple(data["mean"]), tuple(data["std"]))


def _weights(name: str, config: Any) -> Iterator[Weights]:
    """The weights of one tag, if they have a classifier and a preprocessing that ``Preprocess`` can express."""
    from benchsuite.plugins._pretrained import timm_file, timm_state, timm_url

    if not config.has_weights or not config.num_classes:
        return
    try:
        own = preprocess(name, config)
    except BadParameter:
        return
    url = timm_url(config.hf_hub_id) if config.hf_hub_id else config.url
    load, tag = partial(timm_state, name), config.tag or "default"
    yield Weights(tag, load, own, config.num_classes, url, timm_file(name, url))


def _adapt(tensors: Mapping[str, Any], module: Any) -> Mapping[str, Any]:
    """Timm's own conversion of files with other names."""
    from benchsuite.plugins._pretrained import timm_conversion

    return timm_conversion(tensors, module)


def _build(name: str, num_classes: int) -> Any:
    import timm

    return timm.create_model(name, num_classes=num_classes)


def _unknown(name: str, tagged: Iterable[str]) -> UnknownName:
    """The error for a name that timm does not list, with its new name if it was renamed, else the nearest name."""
    import timm

    today = timm.models.get_deprecated_models().get(name)
    known = tuple(tagged) or timm.list_models()
    near = [today] if today else difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    tail = f"did you mean 'timm:{near[0]}'?" if near else f"timm {timm.__version__} lists {len(known)} others"
    if not near and tagged:
        tail = f"known: {', '.join(known)}"
    return UnknownName(f"Unknown model 'timm:{name}': {tail}")
