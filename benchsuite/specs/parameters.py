"""Parses protocols, architectures and transforms with parameters, whose names and types come from signatures."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, Union, get_args, get_origin

from benchsuite.contract import call
from benchsuite.errors import BadParameter, BenchsuiteError, expected, unknown_name
from benchsuite.specs.architecture import Architecture, Transform
from benchsuite.specs.combine import Average, Combine, Rule, Space
from benchsuite.specs.perturbation import Perturbation, decimal
from benchsuite.specs.preprocess import Preprocess, with_overrides
from benchsuite.specs.protocol import Protocol
from benchsuite.specs.recipe import Options
from benchsuite.specs.view import Interpolation, LongSide, View, distinct

OVERRIDES: dict[str, Any] = {"crop": int, "interpolation": Interpolation, "antialias": bool, "long_side": LongSide}
MERGING: dict[str, Any] = {"merge": Space, "rule": Rule, "average": Average}


@dataclass(frozen=True, slots=True)
class Bound:
    """A protocol with its parameters: what one run evaluates. ``label`` names only values other than the defaults.

    ``inner`` is the protocol of an ensemble's members, ``of`` the one whose views a perturbing protocol changes.
    """

    protocol: Protocol
    label: str
    parameters: tuple[tuple[str, Any], ...]
    overrides: tuple[tuple[str, Any], ...]
    combine: Combine
    inner: Bound | None = None
    of: Bound | None = None


@functools.lru_cache(maxsize=256)
def parameters(protocol: Protocol) -> Mapping[str, tuple[Any, Any]]:
    """The parameters that a user may write after the colon: name -> (type, default); None where the weights decide."""
    if protocol.perturb is not None:  # resize, crop and merging are those of the other protocol
        own = keywords(protocol.perturb)
        if "of" in own:
            rule = "another than of, which names the perturbed protocol"
            raise BadParameter(expected(f"a parameter of {protocol.name}", rule, "of"))
        return own | {"of": (str, "1crop")}
    own, combine = keywords(protocol.views), protocol.combine
    merging = dict(zip(MERGING, (combine.space, combine.rule, combine.average), strict=True))
    shared = {} if protocol.members else {n: (t, None) for n, t in OVERRIDES.items()}
    return own | {n: (t, merging[n]) for n, t in MERGING.items()} | shared


def bind(text: str, find: Callable[[str], Protocol]) -> Bound:
    """``multiscale:scales=224+256,merge=logit`` -> the bound protocol. ``find`` returns a protocol by its name."""
    name, _, tail = text.partition(":")
    protocol = find(name.strip())
    known = parameters(protocol)
    given = parse_fields(tail, known, f"parameter of {name}", text)
    if protocol.perturb is not None:
        return _bind_perturbing(protocol, given, known, find, text)
    inner = bind(_inner(str(given.get("protocol", known["protocol"][1]))), find) if protocol.members else None
    if inner is not None and inner.protocol.members:
        raise BadParameter(
            expected("the protocol of an ensemble's members", "another than an ensemble", inner.label, text)
        )
    if inner is not None and attacked(inner) is not None:
        rule = "one without an attack, as each member would see other pictures"
        raise BadParameter(expected("the protocol of an ensemble's members", rule, inner.label, text))
    if inner is not None and "protocol" in given:
        given["protocol"] = nested(inner.label)
    given = dict(sorted(given.items()))
    changed = {k: v for k, v in given.items() if v != known[k][1]}
    combine = Combine(*(given.get(n, known[n][1]) for n in ("rule", "merge", "average")))
    if protocol.members and combine.average == "locations":
        raise BadParameter(expected("average", "equal for the members of an ensemble", "locations", text))
    label = _label(protocol.name, changed)
    own = tuple((k, v) for k, v in given.items() if k not in OVERRIDES and k not in MERGING)
    overrides = tuple((k, v) for k, v in given.items() if k in OVERRIDES and v is not None)
    return Bound(protocol, label, own, overrides, combine, inner)


def _bind_perturbing(
    protocol: Protocol,
    given: dict[str, Any],
    known: Mapping[str, tuple[Any, Any]],
    find: Callable[[str], Protocol],
    text: str,
) -> Bound:
    """A protocol that changes the pixels of another protocol's views. Its scores are combined as those of the other.

    The label always names the first parameter, the strength of the change: ``lowpass:r=12``.
    """
    of = bind(_inner(str(given.get("of", known["of"][1]))), find)
    if of.inner is not None or of.of is not None:
        rule = "a protocol of one network that does not change pixels"
        raise BadParameter(expected(f"of of {protocol.name}", rule, of.label, text))
    first = next(iter(known))
    strength = {first: given.pop(first, known[first][1])} if first != "of" else {}
    given = strength | dict(sorted((given | {"of": nested(of.label)}).items()))
    changed = strength | {k: v for k, v in given.items() if v != known[k][1]}
    label = _label(protocol.name, changed)
    bound = Bound(protocol, label, tuple(given.items()), (), of.combine, of=of)
    perturbation(bound)
    return bound


def perturbation(bound: Bound) -> Perturbation | None:
    """The change of pixels that a bound protocol makes; None if it makes none."""
    if bound.protocol.perturb is None:
        return None
    try:
        given = {k: v for k, v in bound.parameters if k != "of"}
        return call(f"perturb of the protocol {bound.protocol.name}", Perturbation, bound.protocol.perturb, **given)
    except BenchsuiteError as error:
        raise type(error)(f"{error} [protocol {bound.label}]") from None


def change_label(bound: Bound) -> str:
    """How a bound protocol changes pixels, as a user types it without ``of``: ``lowpass:r=12``; empty if not at all."""
    if bound.of is None:
        return ""
    known = parameters(bound.protocol)
    strength = next(iter(known))
    given = {k: v for k, v in bound.parameters if k != "of" and (k == strength or v != known[k][1])}
    return _label(bound.protocol.name, given)


def with_change(label: str, of: Bound, find: Callable[[str], Protocol]) -> Bound:
    """The protocol that changes the pixels of ``of``; the inverse of ``change_label``, so an empty label returns it."""
    return bind(f"{label}{',' if ':' in label else ':'}of={nested(of.label)}", find) if label else of


def attacked(bound: Bound) -> Bound | None:
    """The protocol that a bound protocol attacks by the network's gradient; None if it is no attack."""
    change = perturbation(bound)
    return bound.of if change is not None and change.needs == "gradient" else None


def with_clean(texts: Sequence[str], find: Callable[[str], Protocol]) -> list[str]:
    """Protocols with the one that each attack attacks before it, unless it is there: what a user compares.

    ``["fgsm", "10crop"]`` -> ``["1crop", "fgsm", "10crop"]``. A text that is no protocol is kept: whoever binds it next
    refuses it, which under ``torchrun`` must be said by one process only.
    """
    bounds: dict[str, Bound] = {}
    for text in texts:
        with contextlib.suppress(BenchsuiteError):
            bounds[text] = bind(text, find)
    present, found = {bound.label for bound in bounds.values()}, list[str]()
    for text in texts:
        clean = attacked(bounds[text]) if text in bounds else None
        if clean is not None and clean.label not in present:
            found.append(clean.label)
            present.add(clean.label)
        found.append(text)
    return found


def swept(texts: Sequence[str], axes: Sequence[str], find: Callable[[str], Protocol]) -> list[str]:
    """Protocols with every value of the ``axes``, each written ``PARAMETER=VALUE,VALUE,...``.

    ``(["1crop", "lowpass"], ["r=4,8"])`` -> ``["1crop", "lowpass:r=4", "lowpass:r=8"]``. Protocols without the
    parameter are kept. Raises ``BadParameter`` if no protocol has it, or if one gives it already.
    """
    for axis in axes:
        name, equals, tail = axis.partition("=")
        values = split_outside(tail, ",")
        if not equals or not name or not all(values):
            raise BadParameter(expected("--sweep", "written PARAMETER=VALUE,VALUE,... such as r=4,8,12", axis))
        if len(set(values)) != len(values):
            raise BadParameter(expected("the values of --sweep", "given once each", axis))
        expanded, known = list[str](), list[str]()
        for text in texts:
            own = parameters(find(text.partition(":")[0].strip()))
            known += own
            if name not in own:
                expanded.append(text)
                continue
            if any(item.partition("=")[0].strip() == name for item in split_outside(text.partition(":")[2], ",")):
                raise BadParameter(expected(f"{name} of {text}", "given by --sweep alone", "both", axis))
            expanded += [f"{text}{',' if ':' in text else ':'}{name}={value}" for value in values]
        if name not in known:
            raise BadParameter(str(unknown_name("parameter of the protocols", name, dict.fromkeys(known))))
        texts = expanded
    return list(texts)


def views(bound: Bound, preprocess: Preprocess, mirror: bool) -> tuple[View, ...]:
    """The distinct views of a bound protocol for one network and dataset; an ensemble's are those of its members."""
    if bound.inner is not None:
        return views(bound.inner, preprocess, mirror)
    if bound.of is not None:
        change, plain = perturbation(bound), views(bound.of, preprocess, mirror)
        try:
            return tuple(dataclasses.replace(v, perturbation=change) for v in plain)
        except BenchsuiteError as error:
            raise type(error)(f"{error} [protocol {bound.label}]") from None
    hints, chosen = parameters(bound.protocol), dict(bound.parameters)
    if "flip" in hints and hints["flip"][1] is None and chosen.get("flip") is None:
        chosen["flip"] = mirror
    try:
        changed, what = with_overrides(preprocess, bound.overrides), f"views of the protocol {bound.protocol.name}"
        found: tuple[View, ...] = call(what, tuple, bound.protocol.views, changed, **chosen)
    except BenchsuiteError as error:
        raise type(error)(f"{error} [protocol {bound.label}]") from None
    if bound.combine.average == "locations" and not any(v.dense for v in found):
        raise BadParameter(expected("average", "equal for crops", "locations", f"{bound.label}: a crop is one place"))
    return distinct(found)


def options(architecture: Architecture) -> dict[str, tuple[Any, Any]]:
    """The options that a user may write after an architecture's name: name -> (type, default)."""
    return keywords(architecture.build)


def bind_architecture(text: str, find: Callable[[str], Architecture], preset: Options = ()) -> Architecture:
    """``pnn:level=0.1,nmasks=64`` -> the architecture with these options; its name has those other than the defaults.

    ``find`` returns an architecture by its name without options. ``preset`` are options of a recipe; options in the
    text replace them. If an option differs from its default, the result has no weights: the declared ones fit the
    defaults. Raises ``BadParameter`` for an option that does not exist, a value of another type, and a combination that
    cannot be built.
    """
    name, colon, tail = text.partition(":")
    architecture = find(name.strip())
    known = options(architecture)
    if colon and not known:
        raise BadParameter(expected(f"the architecture {architecture.name}", "written without options", text))
    for key, _ in preset:
        if key not in known:
            raise BadParameter(str(unknown_name(f"option of {architecture.name}", key, known)))
    given = dict(preset) | parse_fields(tail, known, f"option of {architecture.name}", text)
    whole = {key: given.get(key, default) for key, (_, default) in known.items()}
    changed = {key: value for key, value in sorted(whole.items()) if value != known[key][1]}
    if architecture.check is not None:
        architecture.check(whole)
    if not changed:
        return architecture
    build = functools.partial(architecture.build, **changed)
    return dataclasses.replace(architecture, name=_label(architecture.name, changed), build=build, weights=())


def bind_transform(text: str, find: Callable[[str], Transform]) -> Transform:
    """``smooth:rho=1.0`` -> the transform with these parameters; its name has all of them: ``smooth:rho=1``.

    ``find`` returns a transform by its name without parameters. Raises ``BadParameter`` for a parameter that does not
    exist, a value of another type, and values that are not possible.
    """
    name, colon, tail = text.partition(":")
    transform = find(name.strip())
    known = transform_parameters(transform)
    if colon and not known:
        raise BadParameter(expected(f"the transform {transform.name}", "written without parameters", text))
    given = parse_fields(tail, known, f"parameter of {transform.name}", text)
    whole = {key: given.get(key, default) for key, (_, default) in known.items()}
    if transform.check is not None:
        transform.check(whole)
    apply = functools.partial(transform.apply, **whole)
    return dataclasses.replace(transform, name=_label(transform.name, whole), apply=apply)


def transform_parameters(transform: Transform) -> dict[str, tuple[Any, Any]]:
    """The parameters that a user may write after a transform's name: name -> (type, default)."""
    return keywords(transform.apply)


def incomplete(function: Callable[..., Any]) -> tuple[str, str, str] | None:
    """The first parameter that a user may write but that cannot be parsed or left out: name, rule and what it has."""
    for p in _keyword_only(function)[1]:
        if p.annotation is inspect.Parameter.empty:
            return p.name, "annotated with its type, such as int", "no annotation"
        if p.default is inspect.Parameter.empty:
            return p.name, "given a default", "none"
    return None


def keywords(function: Callable[..., Any]) -> dict[str, tuple[Any, Any]]:
    """The keyword-only parameters of a function that no ``partial`` has set: name -> (type, default)."""
    function, wanted = _keyword_only(function)
    hints = typing.get_type_hints(function.__init__ if inspect.isclass(function) else function) if wanted else {}
    return {p.name: (hints[p.name], p.default) for p in wanted}


def _keyword_only(function: Callable[..., Any]) -> tuple[Callable[..., Any], list[inspect.Parameter]]:
    """The function inside of ``partial``, and its keyword-only parameters that no ``partial`` has set."""
    taken: set[str] = set()
    while isinstance(function, functools.partial):
        taken |= set(function.keywords)
        function = function.func
    try:
        signature = inspect.signature(function).parameters.values()
    except ValueError:  # a C function without a signature
        return function, []
    return function, [p for p in signature if p.kind is inspect.Parameter.KEYWORD_ONLY and p.name not in taken]


def parse_fields(tail: str, known: Mapping[str, tuple[Any, Any]], what: str, text: str) -> dict[str, Any]:
    """``a=1,b=2`` -> values of the known types; errors name the kind ``what`` and the whole ``text``."""
    given: dict[str, Any] = {}
    for item in split_outside(tail, ",") if tail else []:
        key, equals, value = item.partition("=")
        key = key.strip()
        if not equals or not key:
            article = "an" if what.startswith("option") else "a"
            raise BadParameter(expected(f"{article} {what}", "written name=value", item or text, text))
        if key not in known:
            raise BadParameter(str(unknown_name(what, key, known)))
        if key in given:
            raise BadParameter(expected(f"{what.partition(' ')[0]} {key!r}", "given once", "twice", text))
        given[key] = parse(key, value.strip(), known[key][0], text)
    return given


def _label(name: str, changed: Mapping[str, Any]) -> str:
    """A name with its changed values, as a user types it: ``multiscale:scales=224+256``."""
    return name + (":" + ",".join(f"{k}={show(v)}" for k, v in changed.items()) if changed else "")


def parse(key: str, text: str, kind: Any, where: str) -> Any:
    """Parses a value of the annotated type: int, float, bool, a Literal, a tuple (a+b+c), or None for ``auto``."""
    if get_origin(kind) in (Union, types.UnionType):
        kinds = [k for k in get_args(kind) if k is not type(None)]
        if text == "auto" and len(kinds) < len(get_args(kind)):
            return None
        kind = kinds[0]
    if get_origin(kind) is tuple:
        return tuple(parse(key, part, get_args(kind)[0], where) for part in text.split("+"))
    if get_origin(kind) is Literal:
        words = {show(value): value for value in get_args(kind)}
        if text not in words:
            raise BadParameter(expected(key, f"one of {', '.join(words)}", text or "nothing", where))
        return words[text]
    if kind is bool:
        if text.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise BadParameter(expected(key, "true or false", text or "nothing", where))
        return text.lower() in ("true", "1", "yes")
    try:
        return kind(text)
    except (ValueError, ZeroDivisionError):
        names: dict[Any, str] = {
            int: "a whole number",
            float: "a number",
            Fraction: "a number or a fraction such as 8/255",
        }
        word = names.get(kind, getattr(kind, "__name__", str(kind)))
        raise BadParameter(expected(key, word, text or "nothing", where)) from None


def show(value: Any) -> str:
    """A value as a user types it: the inverse of ``parse``."""
    if value is None:
        return "auto"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return "+".join(show(v) for v in value)
    if isinstance(value, Fraction):
        return decimal(value)
    return str(value)


def split_outside(text: str, separator: str) -> list[str]:
    """Splits at separators outside parentheses: ``protocol=multiscale(a=1,b=2),merge=prob`` has two parts."""
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


def nested(label: str) -> str:
    """The inverse of ``_inner``: ``multiscale:flip=false`` as it is written inside another protocol."""
    name, colon, tail = label.partition(":")
    return f"{name}({tail})" if colon else name


def finder(protocols: Mapping[str, Protocol]) -> Callable[[str], Protocol]:
    """A function that returns a protocol by its name, or raises ``UnknownName`` with the nearest name."""

    def find(name: str) -> Protocol:
        if name not in protocols:
            raise unknown_name("protocol", name, protocols)
        return protocols[name]

    return find
