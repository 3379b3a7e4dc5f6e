"""What benchsuite uses of pluggy, for a machine without it. Hooks are found by their names and called one by one."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any


class PluginValidationError(Exception):
    """A plugin has a hook that does not exist. Not raised here: see the tests, which use pluggy."""


class HookspecMarker:
    """Marks functions of a project as hooks."""

    kind = "spec"

    def __init__(self, project: str) -> None:
        self.name = f"{project}_{self.kind}"

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        setattr(function, self.name, True)
        return function


class HookimplMarker(HookspecMarker):
    """Marks functions of a plugin as its hooks."""

    kind = "impl"


class PluginManager:
    """Collects the marked functions of plugins: modules, or other objects."""

    def __init__(self, project: str) -> None:
        self.mark, self.hook = f"{project}_impl", SimpleNamespace()

    def add_hookspecs(self, module: Any) -> None:
        """Makes a list of implementations for each hook that is declared in a module."""
        for name, function in vars(module).items():
            if getattr(function, self.mark.replace("_impl", "_spec"), False):
                found: list[Any] = []
                setattr(self.hook, name, SimpleNamespace(get_hookimpls=lambda found=found: found))

    def register(self, plugin: Any, name: str) -> None:
        """Adds the implementations of a plugin."""
        for hook, of in vars(self.hook).items():
            function = getattr(plugin, hook, None)
            if getattr(function, self.mark, False):
                of.get_hookimpls().append(SimpleNamespace(plugin_name=name, function=function))

    def get_hookcallers(self, plugin: Any) -> list[Any]:
        """The hooks that a plugin implements."""
        return [of for hook, of in vars(self.hook).items() if getattr(getattr(plugin, hook, None), self.mark, False)]

    def check_pending(self) -> None:
        """Checks nothing."""
