"""``ffcv``: images from a ``.beton`` file that ``benchsuite data prepare`` writes; ``ffcv:lossy`` from one of JPEGs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchsuite import FileFormat, Loader, Sample, hookimpl
from benchsuite.builtin.loaders import _ffcv_installed


def _write(mode: str, path: Path, count: int, images: Iterator[tuple[Sample, Any]]) -> None:
    _ffcv_installed.check()
    from benchsuite.builtin.loaders import _beton

    _beton.write(path, count, images, mode)


def _open(path: Path) -> Any:
    _ffcv_installed.check()
    from benchsuite.builtin.loaders import _beton_rows

    return _beton_rows.open_rows(path)


def _format(suffix: str, mode: str) -> FileFormat:
    write, streams = partial(_write, mode), mode == "raw"
    return FileFormat(suffix, check=_ffcv_installed.check, write=write, open=_open, streams=streams)


FFCV = Loader(
    "ffcv",
    images=None,
    exact=True,
    note="the reference decoder's pixels, stored raw in a file that `benchsuite data prepare` writes; needs ffcv",
    file=_format(".beton", "raw"),
)

LOSSY = Loader(
    "ffcv:lossy",
    images=None,
    exact=False,
    note="ffcv's usual JPEG path: shrunk to 500 pixels by area, compressed again at quality 90, fast DCT; needs ffcv",
    file=_format(".jpg.beton", "jpg"),
)


@hookimpl
def benchsuite_loaders() -> Iterable[Loader]:
    """``ffcv``, with exact pixels, and ``ffcv:lossy``, with ffcv's usual JPEG files."""
    return [FFCV, LOSSY]
