"""What ``benchsuite show`` says first of each kind of thing: a sentence, a table of a screen, and a few facts."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from benchsuite.api.catalog.entries import first_sentence
from benchsuite.api.catalog.facts import EXAMPLE, Facts
from benchsuite.api.catalog.words import combined
from benchsuite.explanation import ledger
from benchsuite.report.tables.published import claim_words
from benchsuite.report.tables.text import Table, preprocessing_lines, relative_words, result_table, training_table
from benchsuite.specs.catalog import BUILT_IN

MOST = 10
"""At most this many rows of a table are shown."""

Brief = tuple[str, Table, list[str]]
"""The answer, a table, and sentences below it."""


def brief(facts: Facts) -> Brief:
    """The answer about something of any kind, its table, and what else matters most."""
    return BRIEF.get(facts["kind"], _plain)(facts)


def _protocol(facts: Facts) -> Brief:
    views, inner = facts["views"], facts["inner"] or facts["of"]
    count = f"{len(views)} view{'s' * (len(views) != 1)} of an image{f', as {inner}' if inner else ''}"
    answer = f"{facts['label']} ({_kind(facts)}): {count}, {facts['combine']}. {_note(facts)}"
    parts = [view["text"].removesuffix(f", {facts['change']}").split(", ") for view in views]
    same = [part for part in parts[0] if len(views) > 1 and all(part in other for other in parts)]
    rows = [
        [str(number), ", ".join(part for part in own if part not in same), _box(view)]
        for number, (own, view) in enumerate(zip(parts, views, strict=True), 1)
    ]
    more = [f"{len(rows) - MOST} more views: {_all(facts['label'])}"] if len(rows) > MOST else []
    every = [f"every view: {', '.join(same)}"] if same else []
    changed = [f"pixels are changed before they are normalised: {facts['change']}"] if facts["change"] else []
    whose = f"for {facts['architecture']}, weights {facts['weights']}, and an image of {'{}x{}'.format(*EXAMPLE[::-1])}"
    values = ", ".join(f"{p['name']}={p['value']}" for p in facts["parameters"])
    rest = [*more, *every, *changed, whose, f"parameters: {values or 'none'}"]
    return answer, (["", "view", "pixels of the resized image"], rows[:MOST]), rest


def _transform(facts: Facts) -> Brief:
    rows = [[p["name"], p["value"], p["type"]] for p in facts["parameters"]]
    answer = f"{facts['label']} ({_kind(facts)}): {_note(facts)}"
    return answer, (["parameter", "value", "type"], rows), [f"source: {facts['source']}"]


def _architecture(facts: Facts) -> Brief:
    weights = facts["weights"]
    size = "images of one size" if facts["fixed_size"] else "images of any size"
    many = {0: "no weights of its own", 1: "one set of weights"}.get(len(weights), f"{len(weights)} sets of weights")
    answer = f"{facts['name']} ({_kind(facts)}): {size}, {many}. {_note(facts)}"
    rows = [
        [w["name"], f"{p['resize']}/{p['crop']} {p['interpolation']}", urlsplit(w["source"]).netloc or w["source"]]
        for w in weights[:MOST]
        for p in [w["preprocess"]]
    ]
    more = [f"{len(weights) - MOST} more weights: {_all(facts['name'])}"] if len(weights) > MOST else []
    default = ["The first is the default."] if len(weights) > 1 else []
    options = ", ".join(f"{o['name']}={o['default']}" for o in facts["options"])
    recipes = ", ".join(facts["recipes"])
    rest = [f"options: {options}"] * bool(options) + [f"recipes: {recipes}"] * bool(recipes)
    return answer, (["weights", "resize/crop", "from"], rows), [*default, *more, *rest]


def _published(facts: Facts) -> Brief:
    printed = f"{facts['value'] or 'no value'} % {facts['metric'].replace('_', ' ').replace('top', 'top-')}"
    where = f"{facts['source']}{'' if facts['status'] == 'verified' else ', unverified'}"
    answer = f"{facts['id']}: {facts['model']}, {printed} on {facts['dataset']}, {facts['protocol_text']} ({where})."
    sizes = "/".join(part for part in (facts["resize"], facts["crop"]) if part)
    how = facts["method"]
    rows = {
        "network": " ".join(filter(None, (facts["architecture"], facts["variant"]))),
        "weights": facts["weights"] or facts["run"],
        "resize/crop": sizes,
        "scales": facts["scales"],
        "recipe": facts["recipe"],
        "counted by": facts["accounting"] or "not stated",
        "code": how["code"],
        **{name: how[name] for name in ("merge", "rounding", "flip")},
        "link": facts["url"],
    }
    claims = [claim_words(claim) for claim in ledger.claims() if facts["id"] in claim.rows]
    again = f"to measure it again: {facts['command']}" if facts["command"] else f"not measured here: {facts['remark']}"
    return answer, (["", ""], [[name, text] for name, text in rows.items() if text]), [*claims, again]


def _run(facts: Facts) -> Brief:
    headers, (line,) = result_table([facts])
    row = dict(zip(headers, line, strict=True))
    answer = (
        f"{facts['run_id']}: {row['top-1 error %']} % top-1 error of {facts['architecture']} by {facts['protocol']}."
    )
    manifest = facts["manifest"]
    views = f"{len(manifest['views'])}, combined by {combined(manifest['protocol']['combine'])}"
    rows = [*([name, text] for name, text in row.items() if text and name != "views"), ["views", views]]
    rows += [["command", manifest["command"]], ["made", manifest["created"]], ["in", facts["path"]]]
    relative = [relative_words(facts["relative_error"])] if "relative_error" in facts else []
    groups = [f"errors by {' and '.join(facts['group_names'])}: --all"] if "groups" in facts else []
    return answer, (["", ""], rows), [*relative, *groups, *preprocessing_lines([facts])]


def _training(facts: Facts) -> Brief:
    headers, (line,) = training_table([facts])
    row = dict(zip(headers, line, strict=True))
    error, epochs = row["last epoch, error %"], row["epochs"]
    answer = f"{facts['run_id']}: {error} % error of {row['architecture']} after {epochs} epochs."
    rows = [[name, text] for name, text in row.items() if text]
    rows += [["command", facts["manifest"]["command"]], ["in", facts["path"]]]
    return answer, (["", ""], rows), preprocessing_lines([facts])


def _plain(facts: Facts) -> Brief:
    hidden = ("kind", "name", "owner", "note")
    rows = [[key, str(value)] for key, value in facts.items() if key not in hidden and value != ""]
    return f"{facts['name']} ({_kind(facts)}): {facts['note']}", (["", ""], rows), []


BRIEF: Mapping[str, Callable[[Facts], Brief]] = {
    "protocol": _protocol,
    "transform": _transform,
    "architecture": _architecture,
    "published": _published,
    "run": _run,
    "training": _training,
}


def _kind(facts: Facts) -> str:
    return str(facts["kind"]) + ("" if facts["owner"].startswith(BUILT_IN) else f", from {facts['owner']}")


def _note(facts: Facts) -> str:
    note = first_sentence(facts["note"])
    return f"{note}." if note else ""


def _box(view: Facts) -> str:
    left, top, right, bottom = view["box"]
    return f"x {left}..{right - 1}, y {top}..{bottom - 1} of {view['resized'][0]}x{view['resized'][1]}"


def _all(name: str) -> str:
    return f"benchsuite show {shlex.quote(name)} --all"
