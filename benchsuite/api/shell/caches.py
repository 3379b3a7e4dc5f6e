"""``benchsuite.list_cache`` and ``clear_cache``: what lies in the cache folder, and what is deleted from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.shown import Shown
from benchsuite.storage import caches
from benchsuite.storage.caches import CacheFile
from benchsuite.storage.files import cache_dir

if TYPE_CHECKING:
    import pandas as pd

    from benchsuite.report.tables.text import Table

KINDS = {
    "chunks": "logits of networks: a repeated or resumed run reads them",
    "weights": "trained on first use, or downloaded",
    "prepared": "images for a fast loader, by data prepare",
    "data": "data sets, by data download; never cleared",
    "checks": "what data check saw, to name what changed",
    "checkups": "what data check decoded",
    "pixels": "decoded training images",
    "listings": "what archives contain",
    "layouts": "the fastest memory layout of each network",
    "precision": "checks of --precision auto",
    "downloads": "locks",
}
"""What each folder of the cache holds."""


@dataclass(frozen=True, slots=True, repr=False)
class CacheContents(Shown):
    """The files in the cache ``folder``."""

    folder: Path
    files: tuple[CacheFile, ...]

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``cache list --json``; sizes are bytes."""
        return {"folder": str(self.folder), "bytes": _bytes(self.files), "kinds": _by_kind(self.files)}

    @property
    def table(self) -> pd.DataFrame:
        """One row for each kind."""
        import pandas as pd

        return pd.DataFrame(self.record["kinds"])

    def lines(self) -> Sequence[str]:
        """The size, and how to clear it."""
        clear = "Delete what is old: benchsuite cache clear --older-than 30d (first with --dry-run)"
        return [f"{size(_bytes(self.files))} in {self.folder}", *([clear] if self.files else [])]

    def cells(self) -> Table:
        """A line for each kind, the largest first."""
        return ["kind", "files", "size", "what it is"], _rows(self.files)


@dataclass(frozen=True, slots=True, repr=False)
class ClearedCache(Shown):
    """What was deleted from the cache, or would be with ``dry_run``; ``used`` files were kept."""

    folder: Path
    older_than: str
    dry_run: bool
    files: tuple[CacheFile, ...]
    used: tuple[CacheFile, ...] = ()

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``cache clear --json``; sizes are bytes."""
        kept = {"files": len(self.used), "bytes": _bytes(self.used)}
        head = {"folder": str(self.folder), "older_than": self.older_than, "dry_run": self.dry_run}
        return {**head, "bytes": _bytes(self.files), "kinds": _by_kind(self.files), "used": kept}

    def lines(self) -> Sequence[str]:
        """How much was deleted, and what is used by other processes."""
        verb = "would be deleted" if self.dry_run else "deleted"
        what = f"{size(_bytes(self.files))} in {len(self.files):,} files, older than {self.older_than}"
        used = f"kept, because other processes use them: {len(self.used):,} files, {size(_bytes(self.used))}"
        return [f"{what}, {verb} from {self.folder}", *([used] if self.used else [])]

    def cells(self) -> Table:
        """A line for each kind, the largest first."""
        return ["kind", "files", "size", "what it is"], _rows(self.files)


def list_cache() -> CacheContents:
    """Lists what lies in the cache folder by kind, with sizes, as ``benchsuite cache list`` does."""
    return CacheContents(cache_dir(), tuple(caches.files()))


def clear_cache(older_than: str, *, dry_run: bool = False) -> ClearedCache:
    """Deletes what was written to the cache more than ``older_than`` ago, as ``benchsuite cache clear`` does.

    ``older_than`` is a number and h, d or w: ``30d``. What another process works on stays, and so do data sets that
    were downloaded. ``dry_run`` deletes nothing. Results are not in the cache; a run that lacks its logits computes
    them again. Raises ``BadParameter`` and ``StorageError``.
    """
    files = caches.old(caches.seconds(older_than))
    gone, used = list[CacheFile](), list[CacheFile]()
    for file in files:
        deleted = not caches.in_use(file) if dry_run else caches.delete(file)
        (gone if deleted else used).append(file)
    return ClearedCache(cache_dir(), older_than, dry_run, tuple(gone), tuple(used))


def size(count: int) -> str:
    """Bytes as people read them: ``1.4 GB``."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count} B"


def _bytes(files: Sequence[CacheFile]) -> int:
    return sum(file.size for file in files)


def _by_kind(files: Sequence[CacheFile]) -> list[dict[str, Any]]:
    kinds = dict.fromkeys(file.kind for file in files)
    found = {kind: [file for file in files if file.kind == kind] for kind in kinds}
    rows = [{"kind": kind, "files": len(of), "bytes": _bytes(of)} for kind, of in found.items()]
    return sorted(rows, key=lambda row: (-row["bytes"], row["kind"]))


def _rows(files: Sequence[CacheFile]) -> list[list[str]]:
    rows = _by_kind(files)
    return [[row["kind"], f"{row['files']:,}", size(row["bytes"]), KINDS.get(row["kind"], "")] for row in rows]
