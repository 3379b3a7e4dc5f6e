"""A ``torch.nn.Module`` that is passed directly, as an architecture with one set of weights: its state."""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import BadParameter, WeightsError, expected, first_line
from benchsuite.evaluation.question import MODULE, RunRequest
from benchsuite.progress import Progress
from benchsuite.runs.plan import DEFAULT_DATA
from benchsuite.specs.architecture import Architecture, Input, Weights
from benchsuite.specs.catalog import NAME, Catalog
from benchsuite.specs.preprocess import Preprocess, in_words
from benchsuite.storage.keys import digest

GIVEN = "given"
"""The name of the weights of a module."""


@dataclass(frozen=True, slots=True)
class _Copies:
    """Builds a network by copying a module, so that the module itself is not changed."""

    module: Any

    def __call__(self, num_classes: int) -> Any:
        return copy.deepcopy(self.module)


def with_modules(
    request: RunRequest,
    catalog: Catalog,
    modules: Sequence[Any],
    progress: Progress,
    *,
    preprocess: Preprocess | None,
    name: str | None,
) -> tuple[RunRequest, Catalog]:
    """The request for these modules, and the catalog in which it finds them.

    Raises ``BadParameter`` for other things than modules, for options that cannot apply to them, and if a module's
    preprocessing is neither given nor the usual one of the data set; ``WeightsError`` for a module that cannot be
    copied or computed.
    """
    import torch

    for one in modules:
        if not isinstance(one, torch.nn.Module):
            raise BadParameter(expected("the networks", "all names or all torch modules", f"a {type(one).__name__}"))
    if preprocess is not None and not isinstance(preprocess, Preprocess):
        raise BadParameter(expected("preprocess", "a benchsuite.Preprocess", preprocess))
    if request.weights is not None:
        raise BadParameter(expected("weights", "left out for a module, which has its own", request.weights))
    if request.processes > 1:
        rule = "1 for a module, which other processes cannot import (a file can: './my_net.py:build')"
        raise BadParameter(expected("processes", rule, request.processes))
    if name is not None and (len(modules) > 1 or not NAME.fullmatch(name)):
        raise BadParameter(expected("name", "letters, digits and . _ -, for a single module", name))
    origin = "the user"
    if preprocess is None:
        preprocess, origin = _usual(catalog, request.data, modules, progress)
    found = {a.name: a for a in (_architecture(m, name, preprocess, origin) for m in modules)}
    if len(found) < len(modules):
        raise BadParameter(expected("each module", "given once", "one twice"))
    owners = {("architecture", a): MODULE for a in found}
    catalog = dataclasses.replace(
        catalog, architectures={**catalog.architectures, **found}, owners={**catalog.owners, **owners}
    )
    return dataclasses.replace(request, architectures=tuple(found), weights=GIVEN, fresh=True), catalog


def _usual(catalog: Catalog, data: str | None, modules: Sequence[Any], progress: Progress) -> tuple[Preprocess, str]:
    """The usual preprocessing of the data set, and these words. A note says both. Raises ``BadParameter`` for none."""
    dataset = catalog.find("dataset", (data or DEFAULT_DATA).partition(":")[0])
    usual: Preprocess | None = dataset.preprocess
    if usual is None:
        rule = f"given for a module, as {dataset.name} has no usual one"
        raise BadParameter(expected("preprocess", rule, "none", "benchsuite.Preprocess(256, 224, ...)"))
    names = ", ".join(dict.fromkeys(type(m).__name__ for m in modules))
    origin, words = f"the usual one of {dataset.name}", in_words(usual)
    progress.note(f"no preprocess= for {names}: it gets {origin}: {words}")
    return usual, origin


def _architecture(module: Any, name: str | None, preprocess: Preprocess, origin: str) -> Architecture:
    """The architecture that builds copies of the module. Its name ends in the beginning of the state's digest."""
    build = _Copies(module)
    kind = type(module).__name__
    try:
        twin = build(0).eval()
    except Exception as error:
        raise WeightsError(expected(f"a {kind}", "copied by copy.deepcopy", first_line(error))) from error
    state = _state_digest(twin, kind)
    code = code_digest(twin)
    classes = _classes(twin, kind, preprocess)
    source = f"state sha256:{state}, code sha256:{code}"
    weights = Weights(GIVEN, module.state_dict, preprocess, classes, source, origin=origin)
    return Architecture(
        f"{name or kind}-{state[:8]}",
        build,
        preprocess,
        (weights,),
        Input(channels=len(preprocess.mean)),
        note=f"A {type(module).__module__}.{type(module).__qualname__} passed to benchsuite; preprocessing: {origin}",
    )


def code_digest(module: Any) -> str:
    """SHA-256 of the module's structure and of the source of its classes that are not torch's, as far as it is known.

    Two modules with one state but another ``forward`` are different networks: their runs must not share a folder.
    """
    texts = [repr(module)]
    for kind in sorted({type(m) for m in module.modules()}, key=lambda k: (k.__module__, k.__qualname__)):
        if kind.__module__.partition(".")[0] == "torch":
            continue
        try:
            source = inspect.getsource(kind)
        except (OSError, TypeError):
            source = ""
        texts.append(f"{kind.__module__}.{kind.__qualname__}\n{source}")
    return digest(texts)


def _state_digest(module: Any, kind: str) -> str:
    from benchsuite.models.network import state_digest

    try:
        return state_digest(module)
    except Exception as error:
        raise WeightsError(expected(f"the state of {kind}", "tensors by name", first_line(error))) from error


def _classes(module: Any, kind: str, preprocess: Preprocess) -> int:
    """The number of logits for one image of the crop, on the CPU."""
    import torch

    side = preprocess.crop
    image = torch.zeros(1, len(preprocess.mean), side, side)
    try:
        with torch.inference_mode():
            out = module.to("cpu")(image)
    except Exception as error:
        got = f"{side}x{side}: {first_line(error)}"
        raise WeightsError(expected(f"the crop for {kind}", "a size that the network takes", got)) from error
    if not isinstance(out, torch.Tensor) or out.dim() != 2:
        shape = tuple(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
        raise WeightsError(expected(f"the output of {kind}", "logits of shape (n, classes)", shape))
    return int(out.shape[1])
