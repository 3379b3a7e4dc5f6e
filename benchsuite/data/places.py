"""Reads the bytes of images that lie in archives, on a disk or in an object store. Nothing is unpacked.

Each thread keeps its files open, so that threads never wait for each other, and opens a file again when it has changed.
A process that was forked opens its own.
"""

from __future__ import annotations

import io
import os
import threading
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import IO, Any

from benchsuite.data.prefetch import free_memory
from benchsuite.errors import DataError, expected, first_line
from benchsuite.specs.dataset import Block, Cell, Place, Sample, Span

_OPEN_FILES = 64
"""Files that a thread keeps open at most."""
_GROUPS_BYTES, _GROUPS_SHARE = 2**28, 4
"""What a process may keep of decoded row groups of Parquet files: so many bytes, or one part in so many of the memory
that is free or holds them, if that is more; one is always kept."""
_BLOCK = 2**22
"""Bytes that are read ahead from an object store."""

_THREAD = threading.local()
_GROUPS: OrderedDict[tuple[Any, ...], Any] = OrderedDict()
_GROUPS_LOCK = threading.Lock()
_DECODING: dict[tuple[Any, ...], threading.Lock] = {}


def is_remote(file: str) -> bool:
    """Whether a name is a URL, such as ``s3://BUCKET/FILE`` or ``https://HOST/FILE``."""
    return "://" in file


def read_bytes(place: Place) -> bytes:
    """The bytes of an image in an archive, by any thread of any process.

    Raises ``DataError`` if the file cannot be read, is shorter than when it was listed, or fails its checksum.
    """
    try:
        data = _cell(place) if isinstance(place, Cell) else _span(place)
    except DataError:
        raise
    except Exception as error:  # object stores and Parquet raise many types
        raise unreadable(place.file, error) from None
    if len(data) != place.size:
        raise DataError(expected("an image", f"of {place.size} bytes in its archive", len(data), place.file))
    return data


def sample_stream(sample: Sample) -> IO[bytes] | None:
    """The bytes of a sample's file as a stream to read and seek in; None for a row of an array.

    Raises ``DataError`` or ``OSError`` if they cannot be read.
    """
    if sample.place is not None:
        return io.BytesIO(read_bytes(sample.place))
    path = Path(sample.where)
    return path.open("rb") if path.is_file() else None


def archive_state(file: str) -> str:
    """``SIZE@MTIME_NS`` of an archive; of an object, its size and entity tag. Raises ``DataError`` if there is none."""
    try:
        if is_remote(file):
            system, path = _filesystem(file)
            facts = system.info(path)
            tag = next((facts[key] for key in ("ETag", "etag", "mtime", "created") if facts.get(key)), "")
            return f"{facts.get('size')}@{tag}"
        status = Path(file).stat()
    except DataError:
        raise
    except Exception as error:
        raise unreadable(file, error) from None
    return f"{status.st_size}@{status.st_mtime_ns}"


def open_file(file: str) -> IO[bytes]:
    """Opens a path or a URL to read bytes. A URL needs fsspec, and reads ahead."""
    if not is_remote(file):
        return open(file, "rb")
    system, path = _filesystem(file)
    stream: IO[bytes] = system.open(path, "rb", block_size=_BLOCK, cache_type="readahead")
    return stream


def unreadable(file: str, error: Exception) -> DataError:
    """The error for an archive that cannot be read."""
    reason = getattr(error, "strerror", None) or first_line(error)
    return DataError(expected("a data file", "whole and readable", reason, file))


def _filesystem(file: str) -> tuple[Any, str]:
    try:
        import fsspec
    except ImportError:
        rule = "read with fsspec (pip install 'benchsuite[stores]')"
        raise DataError(expected("a URL of a data set", rule, "no such package", file)) from None
    try:
        system, path = fsspec.core.url_to_fs(file)
    except (ImportError, ValueError) as error:
        raise DataError(expected("a URL of a data set", "one that fsspec opens", first_line(error), file)) from None
    return system, path


def _identity(file: str) -> tuple[Any, ...]:
    """Distinguishes an open file from another one of the same name."""
    if is_remote(file):
        return os.getpid(), file
    status = Path(file).stat()
    return os.getpid(), file, status.st_size, status.st_mtime_ns, status.st_ino


class _OpenFile:
    """A file that is closed when the thread that opened it ends."""

    def __init__(self, file: str) -> None:
        self.stream = open_file(file)

    def __del__(self) -> None:
        if stream := getattr(self, "stream", None):
            stream.close()


def _handle(file: str) -> IO[bytes]:
    """This thread's open file."""
    files: OrderedDict[tuple[Any, ...], _OpenFile] | None = getattr(_THREAD, "files", None)
    if files is None:
        files = _THREAD.files = OrderedDict()
    key = _identity(file)
    if key not in files:
        files[key] = _OpenFile(file)
        if len(files) > _OPEN_FILES:
            files.popitem(last=False)
    files.move_to_end(key)
    return files[key].stream


def inflated(block: Block, packed: bytes | memoryview) -> Any:
    """The bytes of a block, as a buffer, from its ``packed`` bytes. Raises ``OSError`` if they cannot be inflated."""
    import pyarrow as pa

    head, rest = bytearray(), block.inflated  # a stream begins with the length of its text, seven bits a byte
    while rest > 127:
        head.append(rest & 127 | 128)
        rest >>= 7
    head.append(rest)
    text = pa.decompress(b"".join([head, packed]), block.inflated, codec="snappy")
    return text.slice(block.start, block.size)


def _span(span: Span | Block) -> bytes:
    file = _handle(span.file)
    file.seek(span.offset)
    data = file.read(span.length)
    if isinstance(span, Block):
        return bytes(inflated(span, data))
    if span.deflated:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        data = inflater.decompress(data, span.size + 1)
    if span.crc is not None and zlib.crc32(data) != span.crc:
        raise DataError(expected("a member of an archive", "as its checksum says", "other bytes", span.file))
    return data


def _cell(cell: Cell) -> bytes:
    value = _row_group(cell)[cell.row].as_py()
    return value if isinstance(value, bytes) else b""


def _row_group(cell: Cell) -> Any:
    """The decoded column of a row group. The last ones are kept, because the next image often lies in one of them.

    Threads decode different groups in parallel; one waits for another that decodes the same.
    """
    key = (*_identity(cell.file), cell.group, cell.column)
    with _GROUPS_LOCK:
        decoding = _DECODING.setdefault(key, threading.Lock())
    with decoding:
        with _GROUPS_LOCK:
            if key in _GROUPS:
                _GROUPS.move_to_end(key)
                _DECODING.pop(key, None)
                return _GROUPS[key]
        column = _decoded(cell)
        with _GROUPS_LOCK:
            _GROUPS[key] = column
            _DECODING.pop(key, None)
            kept = sum(group.nbytes for group in _GROUPS.values())
            most = max(_GROUPS_BYTES, (kept + free_memory()) // _GROUPS_SHARE)
            while len(_GROUPS) > 1 and kept > most:
                kept -= _GROUPS.popitem(last=False)[1].nbytes
        return column


def _decoded(cell: Cell) -> Any:
    import pyarrow.parquet as pq

    with pq.ParquetFile(_handle(cell.file)) as file:
        column = file.read_row_group(cell.group, columns=[cell.column], use_threads=False).column(0)
    for word in cell.column.split(".")[1:]:
        column = column.combine_chunks().field(word)
    return column
