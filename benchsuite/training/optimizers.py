"""Optimisers of recipes, made from torch's own, in the form that is fastest: fused where torch has one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from benchsuite.errors import BadParameter, expected
from benchsuite.specs.recipe import Optimizer, Recipe

_FUSED = ("sgd", "adam", "adamw", "adagrad")


def freeze(module: Any, recipe: Recipe) -> int:
    """Keeps the parameters whose names begin with one of ``recipe.frozen`` as they are; returns how many numbers.

    Raises ``BadParameter`` for a beginning that no parameter has.
    """
    names = [name for name, _ in module.named_parameters()]
    for prefix in recipe.frozen:
        if not any(name.startswith(prefix) for name in names):
            raise BadParameter(expected(f"frozen of the recipe {recipe.name}", "the beginning of a parameter", prefix))
    count = 0
    for name, parameter in module.named_parameters():
        if name.startswith(recipe.frozen):
            parameter.requires_grad_(False)
            count += parameter.numel()
    return count


def make(module: Any, recipe: Recipe) -> Any:
    """The optimiser of a recipe over the parameters that learn.

    With ``decay="frozen too"`` the others are in it as well, with a gradient of zero: weight decay shrinks them, as in
    programs that hand all numbers of a network to the optimiser.
    """
    how = recipe.optimizer
    parameters = list(_decayed(module, recipe))
    common: dict[str, Any] = {"lr": how.learning_rate, "weight_decay": how.weight_decay}
    if how.name in _FUSED:
        common["fused"] = True
    kind = {
        "sgd": torch.optim.SGD,
        "adam": torch.optim.Adam,
        "adamw": torch.optim.AdamW,
        "rmsprop": torch.optim.RMSprop,
        "adagrad": torch.optim.Adagrad,
        "adadelta": torch.optim.Adadelta,
    }[how.name]
    return kind(parameters, **common, **_own(how))


def set_rate(optimiser: Any, rate: float, momentum: float | None) -> None:
    """Sets the learning rate; and the momentum, or first beta, where one is given."""
    for group in optimiser.param_groups:
        group["lr"] = rate
        if momentum is not None:
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            elif "momentum" in group:
                group["momentum"] = momentum


def clear(optimiser: Any) -> None:
    """Forgets the gradients of what learns; those of frozen parameters stay zero."""
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if parameter.requires_grad:
                parameter.grad = None


def _decayed(module: Any, recipe: Recipe) -> Iterator[Any]:
    for parameter in module.parameters():
        if parameter.requires_grad:
            yield parameter
        elif recipe.decay == "frozen too":
            parameter.grad = torch.zeros_like(parameter)
            yield parameter


def _own(how: Optimizer) -> dict[str, Any]:
    if how.name == "sgd":
        return {"momentum": how.momentum, "nesterov": how.nesterov}
    if how.name == "rmsprop":
        return {"momentum": how.momentum}
    return {"betas": how.betas} if how.name in ("adam", "adamw") else {}
