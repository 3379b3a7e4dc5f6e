"""``benchsuite.list_entries``: what plugins declare, and what was published."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchsuite.api.catalog.entries import (
    BRIEF,
    GROUPED,
    HEADERS,
    KINDS,
    Entry,
    groups,
    line,
    matching,
    of_family,
    of_model,
)
from benchsuite.api.shown import Section, Shown
from benchsuite.errors import BadParameter, expected, unknown_name
from benchsuite.specs.catalog import Catalog, load_plugins

if TYPE_CHECKING:
    import pandas as pd

    from benchsuite.report.tables.text import Table

WEIGHTS = "--weights"
"""The option that shows networks with their weights."""

MOST = 17
"""At most this many lines of a list are shown, which with its headers is a screen; ``table`` has all of them."""


@dataclass(frozen=True, slots=True, repr=False)
class Listing(Shown):
    """The entries of each kind, as in ``list --json``, and the plugins that could not be loaded, with the reasons.

    ``words`` are those of the command line that chose the entries, without ``list``; of a long list that nothing was
    chosen from, groups are shown. With ``every`` each entry is.
    """

    lists: Mapping[str, Sequence[Entry]]
    broken: tuple[tuple[str, str], ...]
    words: tuple[str, ...] = ()
    every: bool = False

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``list --json``."""
        return {**self.lists, "broken": [{"plugin": name, "reason": reason} for name, reason in self.broken]}

    @property
    def table(self) -> pd.DataFrame:
        """One row for each entry; of several kinds the column ``kind`` is the first, and fields of others are empty."""
        import pandas as pd

        if len(self.lists) == 1:
            return pd.DataFrame(*self.lists.values())
        return pd.DataFrame([{"kind": kind, **entry} for kind, entries in self.lists.items() for entry in entries])

    @property
    def _grouped(self) -> bool:
        return len(self.words) < 2 and not self.every and any(len(entries) > MOST for entries in self.lists.values())

    def lines(self) -> Sequence[str]:
        """How many entries of each kind there are, and how to see those that are not shown."""
        counts = ", ".join(_counted(kind, len(entries)) for kind, entries in self.lists.items())
        command = " ".join(["benchsuite list", *map(shlex.quote, self.words)])
        if len(self.lists) > 1:
            rest = [] if self.every else ["Each of a kind, also weights and published: benchsuite list KIND"]
            return [counts, *rest, *self._not_loaded()]
        ((kind, entries),) = self.lists.items()
        if self._grouped and kind in GROUPED:
            hidden = len(groups(kind, entries)) - MOST
            more = (
                [f"{hidden} more by name, or all of them: {command} --all"] if hidden > 0 else [f"All: {command} --all"]
            )
            rest = [f"Some of them, such as 'resnet*': {command} PATTERN", *more]
            return [f"{counts}, by {GROUPED[kind][0]}", *rest, *self._not_loaded()]
        hidden = len(entries) - len(self.cells()[1])
        return [counts, *([f"{hidden} more: {command} --all"] if hidden > 0 else []), *self._not_loaded()]

    def _not_loaded(self) -> list[str]:
        return [f"plugin {name} could not be loaded: {reason}" for name, reason in self.broken]

    def cells(self) -> Table:
        """The entries of one kind, or groups of them; of several kinds the names of each."""
        if len(self.lists) > 1:
            if self.every:
                return [], []
            rows = [[kind, ", ".join(entry["name"] for entry in entries)] for kind, entries in self.lists.items()]
            return ["kind", "names"], rows
        ((kind, entries),) = self.lists.items()
        if self._grouped and kind in GROUPED:
            return [*GROUPED[kind]], groups(kind, entries)[:MOST]
        return self._entries(kind, entries if self.every else entries[:MOST])

    def below(self) -> Sequence[Shown]:
        """With ``every`` the entries of each of several kinds."""
        if len(self.lists) == 1 or not self.every:
            return []
        return [
            Section(f"{kind} ({len(entries)})", self._entries(kind, entries)) for kind, entries in self.lists.items()
        ]

    def _entries(self, kind: str, entries: Sequence[Entry]) -> Table:
        if WEIGHTS in self.words:
            return ["architecture", "weights"], [[entry["name"], ", ".join(entry["weights"])] for entry in entries]
        return [*HEADERS.get(kind, ("name", "note"))], [line(kind, entry) for entry in entries]


def _counted(kind: str, n: int) -> str:
    noun = "published figures" if kind == "published" else kind
    return f"{n} {noun if n != 1 or noun == 'weights' else noun.removesuffix('s')}"


def list_entries(
    kind: str | None = None,
    pattern: str | None = None,
    *,
    model: str | None = None,
    weights: bool = False,
    every: bool = False,
    catalog: Catalog | None = None,
) -> Listing:
    """What is installed, and what was published, as ``benchsuite list`` does.

    ``kind`` is architectures, protocols, datasets, loaders, reporters, transforms, recipes, weights or published; by
    default all except the two long lists, weights and published. ``pattern`` keeps the entries whose name, network or
    model matches it: ``resnet*``, or ``timm:resnet*`` for networks of a family. ``model`` keeps only the weights or
    published numbers of one model and its variants, ``weights`` only networks with weights, which are shown. ``every``
    shows each entry of a long list, where otherwise groups or the first are. Raises ``UnknownName`` for a kind, a model
    or a pattern that nothing has.
    """
    if kind is not None and kind not in KINDS:
        raise unknown_name("kind of list", kind, KINDS)
    if model is not None and kind not in ("published", "weights"):
        raise BadParameter(expected("--model", "used with published or weights", kind or "no kind"))
    if pattern is not None and kind is None:
        raise BadParameter(expected("a pattern", "used with a kind", pattern))
    if weights and kind != "architectures":
        raise BadParameter(expected(WEIGHTS, "used with architectures", kind or "no kind"))
    catalog = catalog or load_plugins()
    lists = {name: KINDS[name](catalog) for name in ([kind] if kind else [k for k in KINDS if k in BRIEF])}
    if kind is not None:
        entries = of_model(lists[kind], model)
        if pattern is not None:
            family = of_family(catalog, pattern) if kind == "architectures" else []
            entries = family or matching(kind, entries, pattern)
        lists = {kind: [entry for entry in entries if entry["weights"] or not weights] if weights else entries}
    words = [kind, pattern, *(["--model", model] if model else []), *([WEIGHTS] if weights else [])]
    return Listing(lists, catalog.broken, tuple(word for word in words if word), every)
