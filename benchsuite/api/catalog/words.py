"""The facts of ``benchsuite show`` as lines of text, a function for each kind of thing."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping
from fractions import Fraction

from benchsuite.api.catalog.facts import EXAMPLE, Facts
from benchsuite.api.shown import aligned, columns
from benchsuite.report.tables.group_errors import group_table
from benchsuite.report.tables.text import preprocessing_lines, relative_words, result_table, training_table
from benchsuite.specs.catalog import BUILT_IN
from benchsuite.specs.preprocess import from_data, in_words
from benchsuite.specs.view import describe, view_from_data
from benchsuite.stats import digits


def text(facts: Facts) -> Iterator[str]:
    """The lines about something of any kind; the first names it."""
    return TEXT.get(facts["kind"], plain_text)(facts)


def protocol_text(facts: Facts) -> Iterator[str]:
    """A protocol: its note, its parameters, and the numbered views. A change of their pixels is named once."""
    yield from _head(facts["label"], facts)
    yield from columns([("combine", facts["combine"]), ("source", facts["source"])])
    yield from _parameters(facts)
    height, width = EXAMPLE
    whose = f" of each member ({facts['inner']})" if facts["inner"] else f" of {facts['of']}" if facts["of"] else ""
    yield f"views{whose} for {facts['architecture']}, weights {facts['weights']}, of an image of {width}x{height}"
    if facts["change"]:
        yield f"  each with its pixels changed before they are normalised: {facts['change']}"
    yield from columns(
        (
            str(number),
            view["text"].removesuffix(f", {facts['change']}"),
            "{}x{}".format(*view["resized"]),
            f"x {left}..{right - 1}, y {top}..{bottom - 1}",
        )
        for number, view in enumerate(facts["views"], 1)
        for left, top, right, bottom in [view["box"]]
    )


def transform_text(facts: Facts) -> Iterator[str]:
    """A transform: its note and its parameters."""
    yield from _head(facts["label"], facts)
    yield from columns([("source", facts["source"])])
    yield from _parameters(facts)


def architecture_text(facts: Facts) -> Iterator[str]:
    """An architecture: its note, its options, its recipes and its weights."""
    yield from _head(facts["name"], facts)
    size = "fixed" if facts["fixed_size"] else "any: it can run dense protocols"
    yield from columns([("channels", str(facts["channels"])), ("input size", size)])
    if facts["options"]:
        yield f"options, as in {facts['name'].partition(':')[0]}:{facts['options'][0]['name']}=..."
        yield from columns((option["name"], option["default"], option["type"]) for option in facts["options"])
    if facts["recipes"]:
        yield from columns([("recipes", ", ".join(facts["recipes"]))])
    yield f"weights ({len(facts['weights'])}; the first is the default)"
    yield from columns((w["name"], _prepared(w["preprocess"]), w["source"]) for w in facts["weights"])
    if not facts["weights"]:
        yield f"  none; a file or random is prepared with: {_prepared(facts['preprocess'])}"


def published_text(facts: Facts) -> Iterator[str]:
    """A published number: every field that its source states, how it was counted, and how to measure it again."""
    yield facts["id"]
    hidden = ("id", "kind", "command", "remark", "error", "accounting", "method")
    yield from columns((key, str(value)) for key, value in facts.items() if key not in hidden and value)
    yield "counted and tested by"
    how = facts["method"]
    yield from columns(
        [
            ("accounting", facts["accounting"] or "not stated"),
            ("code", how["code"]),
            *((key, how[key]) for key in ("merge", "rounding", "flip") if how[key]),
            ("known from", how["source"]),
        ]
    )
    yield "measured again by"
    yield f"  {facts['command'] or 'nothing'}"
    yield f"  ({facts['remark']})"


def run_text(facts: Facts) -> Iterator[str]:
    """A run: the question, the counts, the views, the seconds and the versions."""
    manifest = facts["manifest"]
    headers, lines = result_table([facts])
    yield facts["run_id"]
    yield from columns([("command", manifest["command"]), ("made", manifest["created"]), ("in", facts["path"])])
    yield "result"
    yield from columns(zip(headers, lines[0], strict=True))
    yield from preprocessing_lines([facts])
    ties = facts["near_ties"]
    yield from columns([("near ties", f"{ties['top1']} at 1, {ties['top5']} at 5, within {ties['tolerance']:g}")])
    if "groups" in facts:
        yield f"by {' and '.join(facts['group_names'])}"
        yield from aligned(group_table(facts))
    if "relative_error" in facts:
        yield f"  {relative_words(facts['relative_error'])}"
    yield f"views, combined by {combined(manifest['protocol']['combine'])}"
    views = [describe(view_from_data(data)) for data in manifest["views"]]
    yield from columns((str(number), text) for number, text in enumerate(views, 1))
    yield "seconds"
    yield from columns((part, digits.decimals(Fraction(spent), 2)) for part, spent in facts["seconds"].items())
    if manifest["numerics"].get("chosen"):
        from benchsuite.runs.auto_precision import describe_decision

        yield from (f"  {describe_decision(decision)}" for decision in manifest["numerics"]["chosen"])
    for title in ("asked", "weights", "dataset", "numerics", "versions", "hardware"):
        yield title
        plain = {key: value for key, value in manifest[title].items() if not isinstance(value, dict | list)}
        yield from columns((key, str(value)) for key, value in plain.items() if value not in (None, ""))


def training_text(facts: Facts) -> Iterator[str]:
    """A training: its result, its recipe, and its data, versions and hardware."""
    manifest = facts["manifest"]
    yield facts["run_id"]
    yield from columns([("command", manifest["command"]), ("made", manifest["created"]), ("in", facts["path"])])
    headers, lines = training_table([facts])
    yield from columns(zip(headers, lines[0], strict=True))
    yield from preprocessing_lines([facts])
    for title in ("recipe", "architecture", "dataset", "numerics", "versions", "hardware"):
        yield title
        yield from columns((key, str(value)) for key, value in manifest[title].items() if value not in (None, "", []))


def plain_text(facts: Facts) -> Iterator[str]:
    """A dataset, a loader or a reporter."""
    yield from _head(facts["name"], facts)
    hidden = ("kind", "name", "owner", "note")
    yield from columns((key, str(value)) for key, value in facts.items() if key not in hidden and value != "")


TEXT: Mapping[str, Callable[[Facts], Iterator[str]]] = {
    "protocol": protocol_text,
    "architecture": architecture_text,
    "transform": transform_text,
    "published": published_text,
    "run": run_text,
    "training": training_text,
}


def _head(title: str, facts: Facts) -> Iterator[str]:
    foreign = "" if facts["owner"].startswith(BUILT_IN) else f", from {facts['owner']}"
    yield f"{title} ({facts['kind']}{foreign})"
    yield from textwrap.wrap(facts["note"], 100, initial_indent="  ", subsequent_indent="  ")


def _parameters(facts: Facts) -> Iterator[str]:
    yield "parameters" if facts["parameters"] else "no parameters"
    yield from columns(
        (p["name"], p["value"], p["type"] + ("" if p["value"] == p["default"] else f" (default: {p['default']})"))
        for p in facts["parameters"]
    )


def _prepared(preprocess: Facts) -> str:
    """``short side 256, crop 224, bilinear, RGB from 0 to 1, mean 0.485 0.456 0.406, std 0.229 0.224 0.225``."""
    return in_words(from_data(preprocess))


def combined(combine: Facts) -> str:
    """How the scores of views are combined: ``mean of probs``."""
    weighed = ", weighed by places" if combine["average"] == "locations" else ""
    return f"{combine['rule']} of {combine['space']}s{weighed}"
