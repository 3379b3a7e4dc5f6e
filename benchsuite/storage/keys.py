"""Keys: digests of a request. The same request has the same key on every machine and in every process."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from types import FunctionType
from typing import Any

from benchsuite.specs.dataset import Sample, Split
from benchsuite.specs.view import View, view_data

SCORES = 1
"""Increased when a release changes any score, so that an old result is never used as a new one."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal values have the same text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 of the canonical JSON, as 64 hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_lines(lines: Iterable[str]) -> str:
    """SHA-256 over lines, each followed by a newline, without joining them in memory."""
    state = hashlib.sha256()
    for line in lines:
        state.update(line.encode())
        state.update(b"\n")
    return state.hexdigest()


def run_id(architecture: str, protocol: str, dataset: str, asked: Any) -> str:
    """A readable id with the first 12 digits of the request's digest: ``resnet50-multiscale-digits-1f0c2a9b4d3e``."""
    words = [re.sub(r"[^A-Za-z0-9._]+", "_", word).strip("._")[:40] for word in (architecture, protocol, dataset)]
    return "-".join([*words, digest(asked)[:12]])


def view_key(view: View) -> str:
    """The digest of a view."""
    return digest(view_data(view))


def view_keys(views: Sequence[View], samples: Sequence[Sample]) -> dict[View, str]:
    """The key of each view of a chunk of samples. An attack follows the labels, so they are part of its key."""
    labels = [s.label for s in samples]
    return {v: digest([view_data(v), labels]) if v.attacked else view_key(v) for v in views}


def chunk_key(samples: Sequence[Sample], split: Split) -> str:
    """The digest of what a chunk's logits depend on apart from network and view: reader, images and their states."""
    return digest_lines([reader(split), *(f"{s.id} {s.state}" for s in samples)])


def reader(split: Split) -> str:
    """Identifies the function that reads the images of a split.

    The pixels of a module-level function depend on the sample alone, so its own name is enough, for any data set. A
    method, closure or object may hold images of its own, so the data set's name is used.
    """
    read = split.read
    plain = isinstance(read, FunctionType) and read.__qualname__ == read.__name__ != "<lambda>"
    return f"{read.__module__}.{read.__name__}" if plain else split.name


def samples_digest(samples: Iterable[Sample], *, real: bool = True) -> str:
    """A digest of samples that is the same on every machine: ids, labels, and file sizes or digests of rows.

    With ``real``, the reassessed labels are part of it where samples have any.
    """
    return digest_lines(_line(s, s.content, real) for s in samples)


def groups_digest(samples: Iterable[Sample], names: Sequence[str]) -> str:
    """A digest of the groups of samples, and of the names of the groups."""
    return digest_lines(canonical(list(groups)) for groups in (names, *(s.groups for s in samples)))


def fingerprint(samples: Iterable[Sample]) -> str:
    """A digest of samples on this machine: ids, labels, and the state of their files, such as the time of change."""
    return digest_lines(_line(s, s.state, True) for s in samples)


def _line(sample: Sample, stamp: str, real: bool) -> str:
    """One line of a digest for a sample."""
    return f"{sample.id} {sample.label} {stamp}" + (f" {sample.real}" if real and sample.real is not None else "")
