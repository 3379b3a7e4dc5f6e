"""Reads a checkpoint's file, or its folder of files, as nested dictionaries of tensors. Nothing in it is executed."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import pickletools
import re
import tarfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchsuite.errors import WeightsError, expected, first_line
from benchsuite.models.checkpoints import caffe

INDEX = ".index.json"
IN_FOLDER = (
    "model.safetensors",
    f"model.safetensors{INDEX}",
    "pytorch_model.bin",
    f"pytorch_model.bin{INDEX}",
    "open_clip_model.safetensors",
)
"""The files that libraries write into the folder of a model, in the order in which they are looked for."""

SUFFIXES = (".safetensors", ".pth", ".pt", ".th", ".bin", ".ckpt", ".tar", ".caffemodel")
"""Suffixes of the only checkpoint in a folder that has none of the usual names."""

BESIDE = (
    "argparse.Namespace",
    "types.SimpleNamespace",
    "numpy.core.multiarray.scalar",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray._reconstruct",
    "numpy._core.multiarray._reconstruct",
    "numpy.ndarray",
    "numpy.dtype",
    "pathlib.Path",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "pathlib._local.PosixPath",
    "pathlib._local.WindowsPath",
    "datetime.datetime",
    "datetime.timedelta",
    "mmengine.logging.history_buffer.HistoryBuffer",
)
"""Types that training scripts keep beside the tensors. Their content is dropped, so that none of their code runs."""

DICTIONARIES = (
    "collections.defaultdict",
    "easydict.EasyDict",
    "yacs.config.CfgNode",
    "addict.addict.Dict",
    "pytorch_lightning.utilities.parsing.AttributeDict",
    "lightning_fabric.utilities.data.AttributeDict",
    "lightning.fabric.utilities.data.AttributeDict",
)
"""Kinds of dictionaries that are read as plain ones."""

FACTORIES = tuple(f"{m}.{f}" for m in ("builtins", "__builtin__") for f in ("list", "dict", "int", "float", "set"))
"""What a dictionary with defaults may make; nothing is made."""


class Dropped:
    """Stands for an object beside the tensors: takes what the file says of it, and keeps nothing."""

    def __new__(cls, *args: Any, **fields: Any) -> Any:
        """An empty object, whatever the arguments."""
        return super().__new__(cls)

    def __init__(self, *args: Any, **fields: Any) -> None: ...

    def __setstate__(self, state: Any) -> None: ...


class _Plain:
    """Stands for a kind of dictionary: what is made is a plain one."""

    def __new__(cls, *args: Any, **fields: Any) -> Any:
        return OrderedDict()


def resolve(path: Path) -> Path:
    """The file of a checkpoint: the path itself, or the model's file or index in a folder.

    Raises ``WeightsError`` for a folder that has none of the usual names and not exactly one checkpoint.
    """
    if not path.is_dir():
        return path
    named = [path / name for name in IN_FOLDER if (path / name).is_file()]
    if named:
        return named[0]
    others = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and p.is_file())
    if len(others) == 1:
        return others[0]
    got = f"one with {', '.join(p.name for p in others[:4])}" if others else "one without any"
    raise WeightsError(expected("--weights", f"a file, or a folder with {IN_FOLDER[0]}", got, str(path)))


def parts(path: Path) -> list[Path]:
    """The files that hold a checkpoint's tensors: the file, or those that an index names. Raises ``WeightsError``."""
    if not path.name.endswith(INDEX):
        return [path]
    try:
        names = sorted(set(json.loads(path.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        rule = "an index with a weight_map"
        raise WeightsError(expected("a checkpoint", rule, first_line(error), str(path))) from None
    files = [path.parent / str(name) for name in names]
    for file in files:
        if file.parent != path.parent or not file.is_file():
            raise WeightsError(expected("a part of the checkpoint", "a file beside its index", file.name, str(path)))
    return files


def digest(path: Path) -> str:
    """SHA-256 of a checkpoint's file; for several files, of their names and digests."""
    if not path.name.endswith(INDEX):
        return _sha256(path)
    lines = "".join(f"{file.name} {_sha256(file)}\n" for file in (path, *parts(path)))
    return hashlib.sha256(lines.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(path: Path) -> Any:
    """The content of a checkpoint: nested dictionaries with tensors, on the CPU.

    Raises ``WeightsError`` for a file that is no checkpoint, is damaged, or would run code when it is read.
    """
    path = resolve(path)
    if path.name.endswith(INDEX):
        merged: dict[str, Any] = {}
        for part in parts(path):
            merged |= read(part)
        wanted = set(json.loads(path.read_text(encoding="utf-8"))["weight_map"])
        if absent := sorted(wanted - merged.keys()):
            rule = "the tensors that its index names"
            raise WeightsError(expected("a checkpoint", rule, f"parts without {absent[0]}", str(path)))
        return merged
    with path.open("rb") as file:
        head = file.read(512)
    if path.suffix.lower() == caffe.SUFFIX:
        _check_pointer(path, head)
        return caffe.read(path)
    if path.suffix.lower() == ".safetensors" or _is_safetensors(head, path.stat().st_size):
        return _read_safetensors(path, head)
    _check_kind(path, head)
    return _read_pickle(path)


def _is_safetensors(head: bytes, size: int) -> bool:
    """Whether a file begins as safetensors do: the length of the header, then the header, which is JSON."""
    return head[8:9] == b"{" and 2 <= int.from_bytes(head[:8], "little") < size


def _read_safetensors(path: Path, head: bytes) -> dict[str, Any]:
    from safetensors.torch import load_file

    _check_pointer(path, head)
    try:
        tensors: dict[str, Any] = load_file(path)
    except Exception as error:
        rule = "a complete .safetensors file"
        raise WeightsError(expected("a checkpoint", rule, failure_reason(error), str(path))) from None
    return tensors


def _check_pointer(path: Path, head: bytes) -> None:
    if head.startswith(b"version https://git-lfs"):
        got = "a pointer of Git LFS: get the file itself with git lfs pull"
        raise WeightsError(expected("a checkpoint", "a file with tensors", got, str(path)))


def _check_kind(path: Path, head: bytes) -> None:
    """Raises ``WeightsError`` for kinds of files that are no checkpoint of torch, each with what to do about it."""
    _check_pointer(path, head)
    got = ""
    if head.startswith(b"PK"):
        names = _zip_names(path)
        if any("/code/" in f"/{n}" or n.endswith("constants.pkl") for n in names):
            got = f"a TorchScript archive, whose code would run: {_conversion('torch.jit.load', path, '.state_dict()')}"
        elif any(n.endswith(".npy") for n in names):
            given = "{n: torch.from_numpy(a) for n, a in c.items()}"
            got = f"arrays of NumPy. Convert them: {_conversion('numpy.load', path, '', given)}"
    elif head[257:262] == b"ustar" or (head and path.suffix.lower() == ".tar" and _is_tar(path)):
        with tarfile.open(path) as tar:
            names = [n for n, _ in zip(tar.getnames(), range(4), strict=False)]
        if {"storages", "tensors", "pickle"} & set(names):
            call = "torch.load"
            got = f"torch's format of before 2017, which could run code. {_trusted(path, call)}"
        else:
            got = f"an archive with {', '.join(names)}: unpack it and give the checkpoint"
    elif not head.startswith(b"\x80"):
        got = f"a file that begins with {head[:8]!r}" if head else "an empty file"
    if got:
        raise WeightsError(expected("a checkpoint", "a file that torch.save wrote", got, str(path)))


def _zip_names(path: Path) -> list[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.namelist()
    except (zipfile.BadZipFile, OSError):
        return []


def _is_tar(path: Path) -> bool:
    try:
        return tarfile.is_tarfile(path)
    except OSError:
        return False


def _conversion(call: str, path: Path, then: str = "", kept: str = "c") -> str:
    return f"import torch; c = {call}({path.name!r}){then}; torch.save({kept}, 'new.pth')"


def _trusted(path: Path, call: str) -> str:
    """The three lines that convert a file that would run code, for users who trust it."""
    load = f"c = {call}({path.name!r}, map_location='cpu', weights_only=False)"
    return f"If you trust the file, convert it: import torch; {load}; torch.save({_tensors_in(path)}, 'new.pth')"


_SAFE = ("collections ", "torch ", "torch._utils ")
"""How names of classes begin that a state dict has by itself."""


def _tensors_in(path: Path) -> str:
    """The expression of a state dict in what a file of code holds: a whole module, alone or in a dictionary.

    It is read from the names of classes and keys in the pickle, which is not executed.
    """
    words, at, usual = list[str](), -1, "c['state_dict']"
    try:
        with zipfile.ZipFile(path) as archive:
            pickled = archive.read(next(n for n in archive.namelist() if n.endswith("data.pkl")))
        for code, word, _ in pickletools.genops(pickled):
            if code.name == "GLOBAL" and at < 0 and not str(word).startswith(_SAFE):
                at = len(words)
            elif code.name in ("BINUNICODE", "SHORT_BINUNICODE"):
                words.append(str(word))
    except (StopIteration, ValueError, KeyError, zipfile.BadZipFile, OSError):
        return usual
    if at < 0 or "_parameters" not in words[at : at + 4]:  # what torch.nn.Module keeps first, after ``training``
        return usual
    return f"c[{words[at - 1]!r}].state_dict()" if at else "c.state_dict()"


def _read_pickle(path: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings(), _beside():
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = re.split(r"\. (?=[A-Z])", failure_reason(error), maxsplit=1)[0]  # torch adds advice for its own users
        if "could run code" in reason:
            reason += f". {_trusted(path, 'torch.load')}"
        raise WeightsError(expected("a checkpoint", "tensors in a complete file", reason, str(path))) from None


@contextlib.contextmanager
def _beside() -> Iterator[None]:
    """Lets torch read the types of ``BESIDE`` and ``DICTIONARIES`` without their code."""
    import torch

    safe = getattr(torch.serialization, "safe_globals", None)
    if safe is None:  # torch 2.4
        yield
        return
    with safe(list(_stand_ins())):
        yield


@functools.cache
def _stand_ins() -> tuple[type, ...]:
    """A class for each type that is read without its code. torch knows a type by its module and name."""
    import numpy as np

    numbers = [f"numpy.dtypes.{name}" for name in dir(np.dtypes) if name.endswith("DType")]
    kinds = [(name, Dropped) for name in (*BESIDE, *FACTORIES, *numbers)] + [(name, _Plain) for name in DICTIONARIES]
    made = []
    for path, kind in kinds:
        module, _, name = path.rpartition(".")
        made.append(type(name, (kind,), {"__module__": module}))
    return tuple(made)


def failure_reason(error: Exception) -> str:
    """Why a file could not be read or downloaded, in one line."""
    text = str(error)
    imported = re.search(r"GLOBAL ([\w.]+)", text) or re.search(r"(?:function|but got) <\w+ [^>]*?'?([\w.]+)'?>", text)
    if imported:
        return f"one that imports {imported[1].rstrip('.')} when it is read, which could run code (refused)"
    return first_line(error).rstrip(".")


def metadata(path: Path) -> Mapping[str, str]:
    """The text beside the tensors of a safetensors file; {} for other files. Raises ``WeightsError`` if damaged."""
    path = resolve(path)
    if path.suffix.lower() != ".safetensors":
        return {}
    from safetensors import SafetensorError, safe_open

    with path.open("rb") as file:
        _check_pointer(path, file.read(512))
    try:
        with safe_open(path, "np") as tensors:
            return dict(tensors.metadata() or {})
    except (SafetensorError, OSError) as error:
        rule = "a complete .safetensors file"
        raise WeightsError(expected("a checkpoint", rule, failure_reason(error), str(path))) from None
