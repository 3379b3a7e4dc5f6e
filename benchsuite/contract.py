"""What plugins and callers pass, compared with the declared types: fields of values, and what functions return."""

from __future__ import annotations

import builtins
import collections.abc
import dataclasses
import functools
import sys
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple, TypeVar, Union

from benchsuite.errors import BenchsuiteError, PluginError, expected, first_line

T = TypeVar("T")


class Fault(NamedTuple):
    """A field of another type than declared: its place, such as ``weights[0].preprocess``, the rule, and the value."""

    field: str
    rule: str
    got: str


def call(what: str, kind: type[T], function: Callable[..., object], *words: object, **named: object) -> T:
    """What a function of a plugin returns. ``what`` names the function: ``open of the data set x``.

    Raises ``PluginError`` if it returns something else than a ``kind``, and for an error that it does not word itself.
    """
    try:
        returned = function(*words, **named)
    except (BenchsuiteError, MemoryError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise PluginError(expected(what, "without an error", reason)) from error
    if not isinstance(returned, kind):
        own = f"torch.nn.{kind.__name__}" if kind.__module__.startswith("torch.nn.") else kind.__name__
        raise PluginError(expected(f"what {what} returns", with_article(own), _got(returned)))
    return returned


def first_fault(value: Any) -> Fault | None:
    """The first field of a dataclass, or of one in its fields, that has another type than declared; None if none has.

    Of fixed and of endless tuples the elements are looked at too; of other containers and of functions only the kind.
    """
    kind: Any = type(value)
    for name, hint in _hints(kind):
        fault = _fault(getattr(value, name), hint, name)
        if fault is not None:
            return fault
    return None


def fault_of(value: Any, kind: Any, name: str) -> Fault | None:
    """The fault of a value for the field ``name`` of the dataclass ``kind``; None if it fits."""
    return _fault(value, dict(_hints(kind))[name], name)


@functools.cache
def _hints(kind: Any) -> tuple[tuple[str, Any], ...]:
    hints = typing.get_type_hints(kind, localns=_Names(vars(sys.modules[kind.__module__])))
    return tuple((f.name, hints[f.name]) for f in dataclasses.fields(kind))


class _Names(dict[str, Any]):
    """Any type for a name that a module imports for type checkers only."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        super().__init__()
        self._known = known

    def __missing__(self, name: str) -> Any:
        if name in self._known or hasattr(builtins, name):
            raise KeyError(name)
        return Any


def _fault(value: Any, hint: Any, place: str) -> Fault | None:
    fitting = next((one for one in _arms(hint) if _fits(value, one)), None)
    if fitting is None:
        return Fault(place, _words(hint), _got(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        inner = first_fault(value)
        return None if inner is None else inner._replace(field=f"{place}.{inner.field}")
    if typing.get_origin(fitting) is tuple:
        for i, (element, own) in enumerate(zip(value, _elements(fitting, len(value)), strict=True)):
            fault = _fault(element, own, f"{place}[{i}]")
            if fault is not None:
                return fault
    return None


def _arms(hint: Any) -> tuple[Any, ...]:
    """The alternatives of a union, else the type alone."""
    return typing.get_args(hint) if typing.get_origin(hint) in (Union, types.UnionType) else (hint,)


def _elements(hint: Any, count: int) -> tuple[Any, ...]:
    """The types of the elements of a tuple of ``count``."""
    own = typing.get_args(hint)
    return own[:1] * count if own[-1:] == (Ellipsis,) else own


def _fits(value: Any, hint: Any) -> bool:
    """Whether a value is of a type that is no union; of a tuple only the number of its elements is looked at."""
    origin, own = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or isinstance(hint, TypeVar):
        return True
    if origin is Literal:
        return any(type(value) is type(one) and value == one for one in own)
    if origin is tuple:
        return isinstance(value, tuple) and len(_elements(hint, len(value))) == len(value)
    if origin is collections.abc.Callable:
        return callable(value)
    if hint in (int, float):
        return isinstance(value, int if hint is int else (int, float)) and not isinstance(value, bool)
    kind = type(None) if hint is None else origin or hint
    return not isinstance(kind, type) or getattr(kind, "_is_protocol", False) or isinstance(value, kind)


def _words(hint: Any) -> str:
    """A type in words: ``a tuple of Weights``, ``one of 'RGB', 'BGR'``, ``a function or None``."""
    arms, origin, own = _arms(hint), typing.get_origin(hint), typing.get_args(hint)
    if len(arms) > 1:
        return " or ".join(_words(arm) for arm in arms)
    if origin is Literal:
        return f"one of {', '.join(map(str, own))}"
    if origin is tuple:
        return f"a tuple of {' and '.join(dict.fromkeys(map(_plain, (o for o in own if o is not Ellipsis))))}"
    if origin is collections.abc.Callable:
        return "a function"
    return _PLAIN.get(hint) or with_article(_plain(hint))


_PLAIN = {int: "a whole number", float: "a number", str: "a text", bool: "True or False", type(None): "None"}


def _plain(hint: Any) -> str:
    """The name of a type without an article; of a union that of each."""
    several = {int: "whole numbers", float: "numbers", str: "texts"}
    names = (several.get(arm) or getattr(typing.get_origin(arm) or arm, "__name__", str(arm)) for arm in _arms(hint))
    return " or ".join(names)


def with_article(noun: str) -> str:
    """``a protocol``, ``an architecture``."""
    return f"{'an' if noun[:1].lower() in 'aeiou' else 'a'} {noun}"


def _got(value: Any) -> str:
    """A value as it was given; of a long one its type alone."""
    text = repr(value)
    return text if len(text) <= 40 else with_article(type(value).__name__)
