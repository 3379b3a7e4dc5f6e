"""Short names of networks: the name and the fewest options that tell a network from the others of a report."""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchsuite.report.content import Entry, Report
from benchsuite.specs.parameters import split_outside

OPTIONS = re.compile(r"(.+?):(\w+=.*)", re.DOTALL)
"""A name with options: ``pnn`` and ``level=0.1,nfilters=8``."""


def networks(report: Report) -> list[str]:
    """The full names of all networks of a report, each once."""
    rows = [one.row for one in report.entries] + [one.row for one in report.trainings]
    rows += [one.row for one in report.frequencies]
    return list(dict.fromkeys(str(row["architecture"]) for row in rows))


def short_names(names: Iterable[str]) -> dict[str, str]:
    """The short name of each network; no two are equal.

    ``pnn:level=0.1,nfilters=8`` is ``pnn`` where it is the only ``pnn``, and ``pnn:level=0.1`` beside
    ``pnn:level=0.0,nfilters=8``.
    """
    every = list(names)
    families: dict[str, dict[str, dict[str, str]]] = {}
    for name in every:
        base, options = _parts(name)
        families.setdefault(base, {})[name] = options
    short: dict[str, str] = {}
    for base, members in families.items():
        keys = _telling(list(members.values()))
        for name, options in members.items():
            kept = ",".join(item for key, item in options.items() if keys is not None and key in keys)
            short[name] = name if keys is None else f"{base}:{kept}" if kept else base
    return {name: short[name] for name in every}


def _parts(name: str) -> tuple[str, dict[str, str]]:
    """A network without its options, and each option as it is written: ``timm:resnet50`` has none."""
    found = OPTIONS.fullmatch(name)
    items = split_outside(found[2], ",") if found else []
    if found is None or not all("=" in item for item in items):
        return name, {}
    return found[1], {item.partition("=")[0]: item for item in items}


def _telling(members: Sequence[Mapping[str, str]]) -> frozenset[str] | None:
    """The smallest set of options in which no two members are equal; None if there is none."""
    varying = [key for key in dict.fromkeys(itertools.chain(*members)) if len({m.get(key) for m in members}) > 1]
    for size in range(len(varying) + 1):
        for keys in itertools.combinations(varying, size):
            if len({tuple(member.get(key) for key in keys) for member in members}) == len(members):
                return frozenset(keys)
    return None


def shortened(report: Report, short: Mapping[str, str]) -> Report:
    """The report with short names in place of full ones; manifests are unchanged."""

    def row(old: Mapping[str, Any]) -> Mapping[str, Any]:
        return {**old, "architecture": short.get(old["architecture"], old["architecture"])}

    def entry(old: Entry) -> Entry:
        return dataclasses.replace(old, row=row(old.row))

    def pairs(old: Iterable[Any]) -> tuple[Any, ...]:
        return tuple(dataclasses.replace(p, before=entry(p.before), after=entry(p.after)) for p in old)

    frequencies = []
    for content in report.frequencies:
        new = dataclasses.replace(content, row=row(content.row))
        if (found := content.analysis) is not None:
            named = dataclasses.replace(found, architecture=short.get(found.architecture, found.architecture))
            new = dataclasses.replace(new, analysis=named)
        frequencies.append(new)
    return dataclasses.replace(
        report,
        entries=tuple(map(entry, report.entries)),
        pairs=pairs(report.pairs),
        ladders=tuple(
            dataclasses.replace(one, entries=tuple(map(entry, one.entries)), pairs=pairs(one.pairs))
            for one in report.ladders
        ),
        trainings=tuple(dataclasses.replace(one, row=row(one.row)) for one in report.trainings),
        frequencies=tuple(frequencies),
    )
