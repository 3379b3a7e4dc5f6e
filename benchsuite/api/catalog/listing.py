"""``benchsuite.list_entries``: what plugins declare, and what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchsuite.api.catalog.entries import BRIEF, HEADERS, KINDS, Entry, line, of_model
from benchsuite.api.shown import Shown
from benchsuite.errors import BadParameter, expected, unknown_name
from benchsuite.report.tables.text import Table
from benchsuite.specs.catalog import Catalog, load_plugins

if TYPE_CHECKING:
    import pandas as pd

MOST = 20
"""At most this many lines of a list are shown; ``table`` has all of them."""


@dataclass(frozen=True, slots=True, repr=False)
class Listing(Shown):
    """The entries of each kind, as in ``list --json``, and the plugins that could not be loaded, with the reasons."""

    lists: Mapping[str, Sequence[Entry]]
    broken: tuple[tuple[str, str], ...]

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

    def lines(self) -> Sequence[str]:
        """How many entries of each kind there are."""
        counts = ", ".join(f"{kind}: {len(entries)}" for kind, entries in self.lists.items())
        total = sum(map(len, self.lists.values()))
        rest = [f"and {total - MOST} more in .table"] if len(self.lists) == 1 and total > MOST else []
        return [counts, *rest, *(f"plugin {name} could not be loaded: {reason}" for name, reason in self.broken)]

    def cells(self) -> Table:
        """The first entries of one kind, as ``benchsuite list`` prints them; of several kinds the names of each."""
        if len(self.lists) > 1:
            rows = [[kind, ", ".join(entry["name"] for entry in entries)] for kind, entries in self.lists.items()]
            return ["kind", "names"], rows
        ((kind, entries),) = self.lists.items()
        return [*HEADERS.get(kind, ("name", "note"))], [line(kind, entry) for entry in entries[:MOST]]


def list_entries(kind: str | None = None, *, model: str | None = None, catalog: Catalog | None = None) -> Listing:
    """What is installed, and what was published, as ``benchsuite list`` does.

    ``kind`` is architectures, protocols, datasets, loaders, reporters, transforms, recipes, weights or published; by
    default all except the two long lists, weights and published. ``model`` keeps only the weights or published numbers
    of one model and its variants. Raises ``UnknownName`` for a kind or a model that does not exist.
    """
    if kind is not None and kind not in KINDS:
        raise unknown_name("kind of list", kind, KINDS)
    if model is not None and kind not in ("published", "weights"):
        raise BadParameter(expected("--model", "used with published or weights", kind or "no kind"))
    catalog = catalog or load_plugins()
    kinds = [kind] if kind else [kind for kind in KINDS if kind in BRIEF]
    return Listing({kind: of_model(KINDS[kind](catalog), model) for kind in kinds}, catalog.broken)
