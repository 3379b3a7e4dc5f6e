"""From what a user types after ``-p`` to a bound protocol: names, types and defaults come from the signature."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, Literal, Union, get_args, get_origin

from benchsuite.combine import Average, Combine, Rule, Space
from benchsuite.errors import BadParameter, BenchsuiteError, expected, unknown_name
from benchsuite.specs import Bound, Preprocess, Protocol, with_overrides
from benchsuite.view import Interpolation, LongSide, View, distinct

OVERRIDES: dict[str, Any] = {"crop": int, "interpolation": Interpolation, "antialias": bool, "long_side": LongSide}
MERGING: dict[str, Any] = {"merge": Space, "rule": Rule, "average": Average}


def parameters(protocol: Protocol) -> dict[str, tuple[Any, Any]]:
    """What a user may write after the colon: name -> (type, default); None where the weights decide."""
    hints = typing.get_type_hints(protocol.views)
    own = {
        name: (hints[name], p.default)
        for name, p in inspect.signature(protocol.views).parameters.items()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    }
    combine = protocol.combine
    merging = dict(zip(MERGING, (combine.space, combine.rule, combine.average), strict=True))
    shared = {} if protocol.members else {n: (t, None) for n, t in OVERRIDES.items()}
    return own | {n: (t, merging[n]) for n, t in MERGING.items()} | shared


def bind(text: str, find: Callable[[str], Protocol]) -> Bound:
    """``multiscale:scales=224+256,merge=logit`` -> the bound protocol. ``find`` looks a protocol up by its name."""
    name, _, tail = text.partition(":")
    protocol = find(name.strip())
    known = parameters(protocol)
    given: dict[str, Any] = {}
    for item in split_outside(tail, ",") if tail else []:
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals or not key:
            raise BadParameter(expected(f"a parameter of {name}", "written name=value", item or text, text))
        if key not in known:
            raise BadParameter(str(unknown_name(f"parameter of {name}", key, known)))
        if key in given:
            raise BadParameter(expected(f"parameter {key!r}", "given once", "twice", text))
        given[key] = parse(key, value.strip(), known[key][0], text)
    inner = bind(_inner(str(given.get("protocol", known["protocol"][1]))), find) if protocol.members else None
    if inner is not None and inner.protocol.members:
        raise BadParameter(expected("the protocol of an ensemble's members", "no ensemble itself", inner.label, text))
    if inner is not None and "protocol" in given:
        given["protocol"] = _outer(inner.label)
    given = dict(sorted(given.items()))
    changed = {k: v for k, v in given.items() if v != known[k][1]}
    combine = Combine(*(given.get(n, known[n][1]) for n in ("rule", "merge", "average")))
    if protocol.members and combine.average == "locations":
        raise BadParameter(expected("average", "equal for the members of an ensemble", "locations", text))
    label = protocol.name + (":" + ",".join(f"{k}={show(v)}" for k, v in changed.items()) if changed else "")
    own = tuple((k, v) for k, v in given.items() if k not in OVERRIDES and k not in MERGING)
    overrides = tuple((k, v) for k, v in given.items() if k in OVERRIDES and v is not None)
    return Bound(protocol, label, own, overrides, combine, inner)


def views(bound: Bound, preprocess: Preprocess, mirror: bool) -> tuple[View, ...]:
    """The distinct views of a bound protocol for one network and dataset; an ensemble's are those of its members."""
    if bound.inner is not None:
        return views(bound.inner, preprocess, mirror)
    hints = parameters(bound.protocol)
    chosen = dict(bound.parameters)
    if "flip" in hints and hints["flip"][1] is None and chosen.get("flip") is None:
        chosen["flip"] = mirror
    try:
        made = bound.protocol.views(with_overrides(preprocess, bound.overrides), **chosen)
    except BenchsuiteError as error:
        raise type(error)(f"{error} [protocol {bound.label}]") from None
    if bound.combine.average == "locations" and not any(v.dense for v in made):
        raise BadParameter(expected("average", "equal for crops", "locations", f"{bound.label}: a crop is one place"))
    return distinct(made)


def parse(key: str, text: str, kind: Any, where: str) -> Any:
    """A value of the annotated type: int, float, bool, a Literal, a tuple (a+b+c), or None for ``auto``."""
    if get_origin(kind) in (Union, types.UnionType):
        kinds = [k for k in get_args(kind) if k is not type(None)]
        if text == "auto" and len(kinds) < len(get_args(kind)):
            return None
        kind = kinds[0]
    if get_origin(kind) is tuple:
        return tuple(parse(key, part, get_args(kind)[0], where) for part in text.split("+"))
    if get_origin(kind) is Literal:
        if text not in get_args(kind):
            raise BadParameter(expected(key, f"one of {', '.join(get_args(kind))}", text or "nothing", where))
        return text
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise BadParameter(expected(key, "true or false", text or "nothing", where))
        return text.lower() in ("true", "1", "yes")
    try:
        return kind(text)
    except ValueError:
        word = {int: "a whole number", float: "a number"}.get(kind, getattr(kind, "__name__", str(kind)))
        raise BadParameter(expected(key, word, text or "nothing", where)) from None


def show(value: Any) -> str:
    """A value as it is typed: the inverse of ``parse``."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "+".join(show(v) for v in value)
    return str(value)


def split_outside(text: str, separator: str) -> list[str]:
    """Split at separators outside parentheses: ``protocol=multiscale(a=1,b=2),merge=prob`` has two parts."""
    parts, depth, start = [], 0, 0
    for i, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == separator and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [*parts, text[start:]]


def _inner(text: str) -> str:
    """``multiscale(flip=false)`` as it is written inside another protocol -> ``multiscale:flip=false``."""
    return text[:-1].replace("(", ":", 1) if text.endswith(")") else text


def _outer(label: str) -> str:
    """The inverse of ``_inner``: ``multiscale:flip=false`` as it is written inside another protocol."""
    name, colon, tail = label.partition(":")
    return f"{name}({tail})" if colon else name


def finder(protocols: Mapping[str, Protocol]) -> Callable[[str], Protocol]:
    """A lookup that suggests the nearest name."""

    def find(name: str) -> Protocol:
        if name not in protocols:
            raise unknown_name("protocol", name, protocols)
        return protocols[name]

    return find
