"""Which files have changed since the last check of the same data set: told by size, times and inode, or by content.

Caches know an image by size and modification time. A file that was overwritten by a tool which keeps both, or that a
disk damaged, would go unnoticed by them; ctime and inode cannot be kept. They may also change without the content, as
by ``chmod``, so they are no part of any key.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchsuite.doctor.findings import number
from benchsuite.doctor.inspection import READERS, bytes_digest, every
from benchsuite.doctor.kinds import Finding, found
from benchsuite.errors import StorageError
from benchsuite.specs.dataset import Sample
from benchsuite.storage import keys
from benchsuite.storage.data_places import full_path
from benchsuite.storage.files import cache_dir, writing


@dataclass(frozen=True, slots=True)
class State:
    """The state of a sample's file: its stamp, ``CTIME_NS@INODE`` of it or of its archive, the digest of its bytes.

    ``node`` is empty for what is no local file, ``content`` if it was never read.
    """

    stamp: str
    node: str
    content: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """What a check has kept: when it was, and the state of each sample by id."""

    date: str
    states: Mapping[str, State]


def place(data: str, split: str) -> Path:
    """The file in the cache for the record of a data set, as it was typed, with an absolute path."""
    name, _, path = data.partition(":")
    return cache_dir() / "checks" / f"{keys.digest([name, full_path(path), split])[:32]}.parquet"


def read(file: Path) -> Record | None:
    """The record of the last check; None if there is none, or a damaged one."""
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
        date = table.schema.metadata[b"date"].decode()
        columns = [table.column(name).to_pylist() for name in ("id", "stamp", "node", "content")]
    except Exception:  # missing, cut short or not Parquet: pyarrow raises many types
        return None
    return Record(date, {name: State(*rest) for name, *rest in zip(*columns, strict=True)})


def write(file: Path, states: Mapping[str, State]) -> None:
    """Keeps the states for the next check. A cache that cannot be written is no fault of the data set."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {name: [getattr(s, name) for s in states.values()] for name in ("stamp", "node", "content")}
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    table = pa.table({"id": [*states], **columns}).replace_schema_metadata({"date": now})
    with suppress(StorageError), writing(file) as part:
        pq.write_table(table, part)


def states_now(samples: Sequence[Sample], advance: Callable[[int], None], *, full: bool) -> dict[str, State]:
    """The states of all samples, ``full`` with the digests of their bytes."""
    nodes: dict[str, str] = {}

    def look(sample: Sample) -> State:
        file = sample.where if sample.place is None else sample.place.file
        if file not in nodes:
            nodes[file] = _node(file)
        return State(sample.stamp, nodes[file], bytes_digest(sample) if full else "")

    return dict(zip((s.id for s in samples), every(samples, look, advance, READERS), strict=True))


def changes(before: Record | None, now: Mapping[str, State]) -> tuple[list[Finding], dict[str, State]]:
    """The findings on changes since a record, and the states to keep from now on.

    A file with the same stamp but another node keeps its old state until its content was compared, so that it is
    reported until then. A file whose content is another one with the same stamp keeps it until its stamp changes too.
    """
    if before is None:
        return [], dict(now)
    known = before.states
    kept, rotten, compared, unknown = dict(now), list[str](), list[str](), list[str]()
    moved = [name for name in now if name in known and known[name].stamp != now[name].stamp]
    for name, state in now.items():
        old = known.get(name)
        if old is None or old.stamp != state.stamp:
            continue
        if state.content:
            if old.content and old.content != state.content:
                rotten.append(name)
                kept[name] = old
        else:
            kept[name] = old
            if old.node != state.node:
                (compared if old.content else unknown).append(name)
    new, gone = [n for n in now if n not in known], [n for n in known if n not in now]
    counted = ((new, "new"), (gone, "gone"), (moved, "with another size or time"))
    words = ", ".join(f"{number(len(names), 'image')} {what}" for names, what in counted if names)
    findings = [found("changed", [*new, *gone, *moved], date=before.date, words=words)] if words else []
    for kind, names in (("rotten", rotten), ("perhaps-changed", compared), ("touched", unknown)):
        if names:
            findings.append(found(kind, names, images=number(len(names), "image"), date=before.date))
    how = "size, times and inode" if any(not state.content for state in now.values()) else "content"
    return findings or [found("unchanged", date=before.date, how=how)], kept


def _node(file: str) -> str:
    try:
        status = Path(file).stat()
    except OSError:
        return ""
    return f"{status.st_ctime_ns}@{status.st_ino}"
