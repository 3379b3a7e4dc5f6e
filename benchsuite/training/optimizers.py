"""Optimisers of recipes: those of torch, in their fused form if there is one."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import torch

from benchsuite.errors import BadParameter, expected
from benchsuite.specs.recipe import Optimizer, Recipe

_FUSED = ("sgd", "adam", "adamw", "adagrad")


def freeze(module: Any, recipe: Recipe) -> int:
    """Freezes the parameters whose names begin with one of ``recipe.frozen``; returns how many scalars they have.

    Raises ``BadParameter`` for a prefix that no parameter's name has.
    """
    names = [name for name, _ in module.named_parameters()]
    for prefix in recipe.frozen:
        if not any(name.startswith(prefix) for name in names):
            rule = "the beginning of a parameter's name"
            raise BadParameter(expected(f"frozen of the recipe {recipe.name}", rule, prefix))
    count = 0
    for name, parameter in module.named_parameters():
        if name.startswith(recipe.frozen):
            parameter.requires_grad_(False)
            count += parameter.numel()
    return count


def make(module: Any, recipe: Recipe) -> Any:
    """The optimiser of a recipe over the trainable parameters.

    With ``decay="frozen too"`` it has the frozen ones too, with a gradient of zero: weight decay shrinks them, as in
    programs that pass all parameters of a network to the optimiser.
    """
    how = recipe.optimizer
    parameters = list(_parameters(module, recipe))
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


def restore(optimiser: Any, state: Mapping[str, Any]) -> None:
    """Goes back to a ``state_dict`` of the optimiser, which stays unchanged.

    Running means get the memory format of their parameter: torch's fused optimizers read both in the order of memory,
    and would otherwise pair other elements, without an error. A checkpoint may come from a training in another format.
    """
    optimiser.load_state_dict(copy.deepcopy(state))
    for parameter, own in optimiser.state.items():
        for name, value in own.items():
            if torch.is_tensor(value) and value.shape == parameter.shape and value.stride() != parameter.stride():
                own[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def set_rate(optimiser: Any, rate: float, momentum: float | None) -> None:
    """Sets the learning rate; and the momentum, or the first beta, if ``momentum`` is not None."""
    for group in optimiser.param_groups:
        group["lr"] = rate
        if momentum is not None:
            if "betas" in group:
                group["betas"] = (momentum, group["betas"][1])
            elif "momentum" in group:
                group["momentum"] = momentum


def clear_gradients(optimiser: Any) -> None:
    """Clears the gradients of trainable parameters; those of frozen parameters stay zero."""
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            if parameter.requires_grad:
                parameter.grad = None


def _parameters(module: Any, recipe: Recipe) -> Iterator[Any]:
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
