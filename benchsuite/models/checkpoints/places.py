"""Where a checkpoint is that ``--weights`` names: a file, a folder, a URL, or a model of the Hugging Face hub."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import unquote, urlsplit

from benchsuite.errors import WeightsError, expected, first_line, unknown_name
from benchsuite.models.checkpoints.choice import Selection
from benchsuite.models.checkpoints.files import IN_FOLDER, INDEX, parts
from benchsuite.models.checkpoints.search import Rows
from benchsuite.storage.files import cache_dir
from benchsuite.storage.keys import digest
from benchsuite.storage.locks import held

HUB = "hf-hub:"
OPTIONS = ("key", "classes", "mean")
"""What may follow a file's name after commas."""

PATIENCE = 5.0
"""Seconds to wait for the hub's first answer."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a value of ``--weights`` says: a name or file, and options after commas."""

    name: str
    options: Mapping[str, str]

    @property
    def remote(self) -> bool:
        """Whether the checkpoint is fetched: a URL or a model of the hub."""
        return self.name.startswith(("https://", "http://", HUB))


def parse(text: str, more: Sequence[str] = ()) -> Place:
    """``x.pth,key=state_dict_ema`` -> the file and its options. A name of an existing file is never divided.

    ``more`` are options of the network that a file may set. Raises ``WeightsError`` for an option that does not exist,
    and for one given twice.
    """
    name, options = text, dict[str, str]()
    while not Path(name).expanduser().exists():
        head, comma, tail = name.rpartition(",")
        option, equals, value = tail.partition("=")
        if not (comma and equals and re.fullmatch(r"\w+", option)):
            break
        if option not in (*OPTIONS, *more):
            raise WeightsError(str(unknown_name("option of --weights", option, (*OPTIONS, *more))))
        if option in options:
            raise WeightsError(expected(f"{option}= of --weights", "given once", "twice", text))
        name, options = head, {option: value, **options}
    return Place(name, options)


def selection(options: Mapping[str, str]) -> Selection:
    """What the options ``key`` and ``classes`` choose in a file. Raises ``WeightsError`` for classes that are none."""
    return Selection(options.get("key"), rows(options["classes"]) if "classes" in options else None)


def rows(text: str) -> Rows:
    """``1:1001`` -> rows 1 to 1000; the name of a text file -> the rows whose numbers it lists.

    Raises ``WeightsError`` for anything else, and for a row that is listed twice.
    """
    rule = "START:STOP, or a text file with one row number a line"
    span = re.fullmatch(r"(\d+):(\d+)", text)
    if span and int(span[1]) < int(span[2]):
        return Rows(text, tuple(range(int(span[1]), int(span[2]))))
    try:
        numbers = tuple(int(word) for word in Path(text).expanduser().read_text(encoding="utf-8").split())
    except (OSError, ValueError) as error:
        raise WeightsError(expected("classes= of --weights", rule, f"{text} ({first_line(error)})")) from None
    if not numbers or min(numbers) < 0 or len(set(numbers)) < len(numbers):
        raise WeightsError(expected("classes= of --weights", f"{rule}, each 0 or more and listed once", text))
    return Rows(text, numbers)


def fetched(name: str) -> tuple[Path, str]:
    """The file of a URL or of a model of the hub, downloaded unless it is in the cache, and a label for it.

    Raises ``WeightsError`` in one line if it cannot be had.
    """
    if name.startswith(HUB):
        return _from_hub(name.removeprefix(HUB)), name.removeprefix(HUB)
    path = _from_url(name)
    return path, path.name


def _from_url(url: str) -> Path:
    """Downloads to ``weights/url`` of the cache. A hash in the name, as in torchvision's files, is checked."""
    import torch

    file = Path(unquote(urlsplit(url).path)).name
    if not file:
        raise WeightsError(expected("--weights", "the URL of a file", url))
    path = cache_dir() / "weights" / "url" / digest(url)[:16] / file
    with held(path.with_name(f"{path.name}.lock"), wait=True):
        if path.is_file():
            return path
        known = re.search(r"-([0-9a-f]{8,})\.", file)
        try:
            with contextlib.redirect_stdout(sys.stderr):
                torch.hub.download_url_to_file(url, str(path), known[1] if known else None)
        except Exception as error:
            if isinstance(error, HTTPError):
                error.close()
            remedy = "Download it and give the file"
            raise WeightsError(f"Cannot get {url}: {first_line(error).rstrip('.')}. {remedy}") from error
    return path


def _from_hub(text: str) -> Path:
    """The checkpoint of ``ORG/NAME`` or ``ORG/NAME@REVISION`` in huggingface_hub's cache."""
    name, _, revision = text.partition("@")
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise WeightsError(expected("--weights", f"{HUB}ORG/NAME", f"{HUB}{text}"))
    try:
        import huggingface_hub  # noqa: F401 - only to say what is missing
    except ImportError:
        rule = "possible with huggingface_hub installed: pip install huggingface_hub"
        raise WeightsError(expected(f"{HUB}{text}", rule, "none")) from None
    reasons: list[str] = []
    for local in (True, False):
        for file in IN_FOLDER:
            path = _hub_file(name, file, revision or None, local, reasons)
            if path is None:
                continue
            if path.name.endswith(INDEX):
                for part in _named(path):
                    if _hub_file(name, part, revision or None, False, reasons) is None:
                        raise WeightsError(f"Cannot get {part} of {HUB}{text}: {reasons[-1]}")
                parts(path)
            return path
    reason = reasons[-1] if reasons else f"it has none of {', '.join(IN_FOLDER)}"
    raise WeightsError(f"Cannot get {HUB}{text}: {reason}. Download its files and give their folder")


def _named(index: Path) -> Sequence[str]:
    import json

    try:
        return sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        rule = "an index with a weight_map"
        raise WeightsError(expected("a checkpoint", rule, first_line(error), str(index))) from None


def _hub_file(name: str, file: str, revision: str | None, local: bool, reasons: list[str]) -> Path | None:
    """A file of a model in the hub's cache, downloaded unless ``local``; None if there is none, with the reason."""
    import huggingface_hub
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    options: dict[str, Any] = {"revision": revision, "local_files_only": local, "etag_timeout": PATIENCE}
    try:
        return Path(huggingface_hub.hf_hub_download(name, file, **options))
    except LocalEntryNotFoundError as error:
        if not local:
            reasons.append(f"no connection ({first_line(error.__cause__ or error)})")
    except EntryNotFoundError:
        pass
    except Exception as error:
        reasons.append(first_line(error).rstrip("."))
    return None
