"""Lists what lies in archives: the members of tar and zip files, the rows of Parquet files. Nothing is unpacked.

A damaged archive is refused as a whole: a list that ends too early would give another error rate without a word.
"""

from __future__ import annotations

import json
import posixpath
import struct
import tarfile
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import IO, Any

from benchsuite.data import pages
from benchsuite.data.decode import MAGIC_BYTES
from benchsuite.data.places import archive_state, is_remote, open_file, unreadable
from benchsuite.data.system_files import system_kind
from benchsuite.errors import DataError, expected
from benchsuite.specs.dataset import Block, Cell, Place, Span
from benchsuite.storage import keys
from benchsuite.storage.files import cache_dir, writing

ARCHIVES = (".tar", ".zip", ".parquet")
"""Suffixes of the archives that are read."""
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
"""Suffixes of compressed archives, in which no member can be read without those before it."""
_BLOCK = tarfile.BLOCKSIZE
_LOCAL = struct.Struct("<4s22xHH")
"""The header in front of a zip member: its magic number and the lengths of its name and of its extra field."""
_LIST = 2
"""Raised when a list that is kept changes."""
_IMAGES, _LABELS = ("image", "jpg", "jpeg", "png", "webp", "img"), ("label", "labels", "cls")


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive: its name with folders, its place, its first bytes, and for a Parquet row its label."""

    name: str
    place: Place
    head: bytes
    label: int | None = None

    @property
    def where(self) -> str:
        """The place in words, ``ARCHIVE/NAME``: as if the archive were a folder."""
        return f"{self.place.file}/{self.name}"


def members(file: str, wanted: Callable[[str], bool]) -> list[Member]:
    """The members of an archive whose names are ``wanted``, in the order of the file; a path or URL. Hidden ones and
    those in folders of systems are passed over.

    Links in a tar are followed. The list of an object in a store and that of a Parquet file are kept in the cache,
    because to make one most of the file is read. Raises ``DataError`` for an archive that is damaged or cut short,
    encrypted, or compressed as a whole.
    """
    return _listed(file, lambda name: not system_kind(name) and wanted(name))


def passed_over(file: str) -> Counter[str]:
    """Counts the members of an archive that ``members`` passes over, by ``system_kind``; raises what it raises."""
    return Counter(system_kind(m.name) for m in _listed(file, lambda name: bool(system_kind(name))))


def _listed(file: str, wanted: Callable[[str], bool]) -> list[Member]:
    lower = file.lower()
    if lower.endswith(COMPRESSED):
        rule = "one whose members can be read in any order: .tar, .zip or .parquet"
        raise DataError(expected("an archive", rule, "a compressed tar; decompress it, for example with gunzip", file))
    if lower.endswith(".parquet"):
        return [m for m in _kept(file, lambda: _parquet(file)) if wanted(m.name)]
    if is_remote(file):
        return [m for m in _kept(file, lambda: _read(file, lambda _: True)) if wanted(m.name)]
    return _read(file, wanted)


def _read(file: str, wanted: Callable[[str], bool]) -> list[Member]:
    try:
        with open_file(file) as stream:
            reader = _zip if file.lower().endswith(".zip") else _tar
            return list(reader(file, stream, wanted))
    except DataError:
        raise
    except Exception as error:  # damaged archives raise many types
        raise unreadable(file, error) from None


def _tar(file: str, stream: IO[bytes], wanted: Callable[[str], bool]) -> Iterator[Member]:
    places: dict[str, tuple[int, int]] = {}
    links: dict[str, str] = {}
    with tarfile.open(fileobj=stream, mode="r:") as tar:
        while (member := tar.next()) is not None:
            tar.members.clear()  # type: ignore[attr-defined]  # they would be kept
            name = _normal(member.name)
            if member.issym() or member.islnk():
                base = posixpath.dirname(name) if member.issym() else ""
                links[name] = _normal(posixpath.join(base, member.linkname))
            elif member.isreg() and not member.issparse():
                places[name] = member.offset_data, member.size
                links.pop(name, None)
        end = tar.offset
    size = _check_end(file, stream, end)
    for name in [*places, *(n for n in links if n not in places)]:
        if not wanted(name):
            continue
        target = _followed(name, links) if name not in places else name
        if target not in places:
            raise DataError(expected("a link in an archive", "to a file in it", f"{name} to {target}", file))
        offset, length = places[target]
        if offset + length > size:
            raise DataError(expected("an archive", "whole and readable", f"one that ends inside {name}", file))
        stream.seek(offset)
        yield Member(name, Span(file, offset, length, length), stream.read(min(MAGIC_BYTES, length)))


def _followed(name: str, links: dict[str, str]) -> str:
    """The name that a link leads to at last; that of the link itself if it leads back to itself."""
    for _ in range(len(links) + 1):
        if name not in links:
            return name
        name = links[name]
    return name


def _check_end(file: str, stream: IO[bytes], end: int) -> int:
    """The size of a tar. Raises ``DataError`` unless it ends in blocks of zeros, as every whole one does.

    ``tarfile`` takes a damaged header for the end.
    """
    size = stream.seek(0, 2)
    stream.seek(min(end, size))
    zeros = 0
    while block := stream.read(2**20):
        if block.strip(b"\0"):
            raise DataError(
                expected("an archive", "whole and readable", "a damaged header or bytes after its end", file)
            )
        zeros += len(block)
    if zeros < _BLOCK:
        raise DataError(expected("an archive", "whole and readable", "one without its end: it was cut short", file))
    return size


def _zip(file: str, stream: IO[bytes], wanted: Callable[[str], bool]) -> Iterator[Member]:
    with zipfile.ZipFile(stream) as archive:
        for info in archive.infolist():
            name = _normal(info.filename)
            if info.is_dir() or not wanted(name):
                continue
            if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                got = "an encrypted one" if info.flag_bits & 1 else f"method {info.compress_type}"
                raise DataError(expected("a member of a zip", "stored or deflated", f"{got}: {name}", file))
            stream.seek(info.header_offset)
            magic, names, extra = _LOCAL.unpack(stream.read(_LOCAL.size))
            if magic != b"PK\3\4" or names > 2**15:
                raise DataError(expected("an archive", "whole and readable", f"a damaged header of {name}", file))
            offset = info.header_offset + _LOCAL.size + names + extra
            deflated = info.compress_type == zipfile.ZIP_DEFLATED
            place = Span(file, offset, info.compress_size, info.file_size, deflated, info.CRC)
            with archive.open(info) as content:
                head = content.read(min(MAGIC_BYTES, info.file_size))
            yield Member(name, place, head)


def _parquet(file: str) -> list[Member]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found: list[Member] = []
    try:
        with open_file(file) as opened, pq.ParquetFile(stream := _ReadOnce(opened)) as table:
            schema = table.schema_arrow
            column, names = _image_column(schema, file)
            label = next((n for n in _LABELS if n in schema.names), None)
            wanted = [column, *([names] if names else []), *([label] if label else [])]
            for group in range(table.num_row_groups):
                stream.forget()
                rows = table.read_row_group(group, columns=wanted, use_threads=False)
                contents, paths = _field(rows, column), _field(rows, names) if names else None
                labels = rows.column(label).to_pylist() if label else [None] * len(rows)
                sizes = pc.binary_length(contents).to_pylist()
                heads = pc.binary_slice(contents, 0, MAGIC_BYTES).to_pylist()
                places = _places(file, stream, table, group, column, contents)
                for row, size in enumerate(sizes):
                    name = (paths[row].as_py() if paths is not None else None) or f"{len(found):08d}"
                    value = labels[row] if isinstance(labels[row], int) else None
                    place = places[row] or Cell(file, group, row, column, size or 0)
                    found.append(Member(_normal(name), place, heads[row] or b"", value))
    except DataError:
        raise
    except Exception as error:  # damaged files raise many types
        raise unreadable(file, error) from None
    return found


class _ReadOnce:
    """A stream that keeps the longest bytes that were read since ``forget``: a column in a store is fetched once."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.forget()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def forget(self) -> None:
        self.start, self.kept = 0, b""

    def read(self, size: int = -1) -> bytes:
        at = self.stream.tell()
        first = at - self.start
        if 0 <= first <= first + size <= len(self.kept):
            self.stream.seek(size, 1)
            return self.kept[first : first + size]
        data = self.stream.read(size)
        if len(data) > len(self.kept):
            self.start, self.kept = at, data
        return data


def _places(file: str, stream: _ReadOnce, table: Any, group: int, column: str, contents: Any) -> Sequence[Place | None]:
    """Where the values of a column lie in the file; None for those that are read with their row group.

    The column has been read before: what a damaged file says of it would end the process.
    """
    number = next(i for i in range(len(table.schema)) if table.schema.column(i).path == column)
    kind, chunk = table.schema.column(number), table.metadata.row_group(group).column(number)
    if chunk.compression not in pages.CODECS or kind.max_repetition_level:
        return [None] * len(contents)
    base = min(filter(None, (chunk.dictionary_page_offset, chunk.data_page_offset)))
    stream.seek(base)
    raw, values = stream.read(chunk.total_compressed_size), [content.as_buffer() for content in contents]
    return pages.places(file, raw, base, chunk.compression, kind.max_definition_level > 0, values)


def _image_column(schema: Any, file: str) -> tuple[str, str | None]:
    """The column of the images' bytes and that of their names: fields of a struct, or columns of their own."""
    import pyarrow as pa

    def is_bytes(kind: Any) -> bool:
        return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))

    for name in (n for n in _IMAGES if n in schema.names):
        kind = schema.field(name).type
        if is_bytes(kind):
            return name, next((n for n in ("path", "filename", "file_name", "__key__") if n in schema.names), None)
        if pa.types.is_struct(kind):
            inner = [kind.field(i) for i in range(kind.num_fields)]
            if any(f.name == "bytes" and is_bytes(f.type) for f in inner):
                return f"{name}.bytes", f"{name}.path" if any(f.name == "path" for f in inner) else None
    rule = "one with images as bytes, in a column image"
    raise DataError(expected("a Parquet file", rule, f"the columns {', '.join(schema.names)}", file))


def _field(rows: Any, path: str) -> Any:
    """The values of a column, or of a field of a struct."""
    first, *rest = path.split(".")
    values = rows.column(first).combine_chunks()
    for word in rest:
        values = values.field(word)
    return values


def _normal(name: str) -> str:
    """A member's name with ``/`` and without ``./``; never one that leads out of the archive."""
    return posixpath.normpath(name.replace("\\", "/")).lstrip("/").removeprefix("./")


def _kept(file: str, make: Callable[[], list[Member]]) -> list[Member]:
    """A list from the cache if it was made from the file as it is now; else makes it and keeps it."""
    path = cache_dir() / "listings" / f"{keys.digest([_LIST, file, archive_state(file)])[:32]}.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [_from_row(file, row) for row in rows]
    except (OSError, ValueError, TypeError, KeyError):
        pass
    found = make()
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as part:
        part.write_text(json.dumps([_row(m) for m in found]), encoding="utf-8")
    return found


_KINDS: dict[str, type[Place]] = {kind.__name__: kind for kind in (Span, Cell, Block)}


def _row(member: Member) -> list[Any]:
    place = member.place
    values = [getattr(place, f.name) for f in fields(place) if f.name != "file"]
    return [type(place).__name__, member.name, member.head.hex(), member.label, *values]


def _from_row(file: str, row: list[Any]) -> Member:
    kind, name, head, label, *values = row
    return Member(name, _KINDS[kind](file, *values), bytes.fromhex(head), label)
