"""``benchsuite.check_installation``: what is installed, and which loaders, devices and folders work."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.options import results_folder
from benchsuite.api.shell.caches import list_cache, size
from benchsuite.api.shown import Section, Shown
from benchsuite.errors import BenchsuiteError, first_line
from benchsuite.specs.catalog import Catalog, load_plugins
from benchsuite.storage.environment import described
from benchsuite.storage.files import cache_dir

if TYPE_CHECKING:
    import pandas as pd

    from benchsuite.report.tables.text import Table

FEATURES = {
    "caffe": "He et al.'s .caffemodel files",
    "dali": "--loader dali",
    "ffcv": "--loader ffcv",
    "query": "benchsuite query",
    "ray": "run and sweep --on ray",
    "slurm": "run and sweep --on slurm",
    "report": "plots as PNG and PDF",
    "transformers": "networks hf:ORG/NAME",
    "stores": "data sets at URLs",
    "s3": "data sets at s3://",
    "gs": "data sets at gs://",
    "hub": "data sets of the Hugging Face hub",
    "jpeg": "data check of damaged JPEG files",
    "mlflow": "export --to mlflow",
    "wandb": "export --to wandb",
}
"""What each extra gives."""

FINE, ABSENT, FAILED = "fine", "not installed", "FAILED"

_EXTRA = re.compile(r"""extra\s*==\s*["']([\w-]+)["']""")
_NAME = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class Trial:
    """What was tried, such as a package, a loader or a folder, what came of it, and details."""

    kind: str
    name: str
    state: str
    detail: str


@dataclass(frozen=True, slots=True, repr=False)
class Installation(Shown):
    """What was tried on this machine, and the ``settings`` of the command line: name, value, and where it comes from.

    With ``every``, each package and extra is a line.
    """

    trials: tuple[Trial, ...]
    settings: tuple[tuple[str, str, str], ...] = ()
    every: bool = False

    @property
    def fine(self) -> bool:
        """Whether nothing failed; an extra that is not installed is no failure."""
        return all(trial.state != FAILED for trial in self.trials)

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``doctor --json``."""
        trials = [asdict(trial) for trial in self.trials]
        settings = [dict(zip(("name", "value", "from"), row, strict=True)) for row in self.settings]
        return {"fine": self.fine, "environment": described(), "trials": trials, "settings": settings}

    @property
    def table(self) -> pd.DataFrame:
        """One row for each trial."""
        import pandas as pd

        return pd.DataFrame(self.record["trials"])

    def lines(self) -> Sequence[str]:
        """Whether all works; what failed; the environment."""
        failed = [trial for trial in self.trials if trial.state == FAILED]
        names = ", ".join(f"{trial.kind} {trial.name}" for trial in failed)
        absent = [trial.name for trial in self.trials if trial.state == ABSENT and trial.kind == "extra"]
        install = [f"Install an extra: pip install 'benchsuite[{absent[0]}]'"] if absent else []
        return [f"Failed: {names}." if failed else "All that is installed works.", *described(), *install]

    def cells(self) -> Table:
        """A line for each trial; packages that are there are one line, and so are extras with the same state."""
        groups = {
            ("package", FINE): "all required, {n} packages",
            ("extra", FINE): "{n} extras: {names}",
            ("extra", ABSENT): "{n} extras: {names}; what for: --all",
        }
        rows, done = list[list[str]](), set[tuple[str, str]]()
        for trial in self.trials:
            key = trial.kind, trial.state
            if self.every or key not in groups:
                rows.append([trial.kind, trial.name, trial.state, trial.detail])
            elif key not in done:
                names = [other.name for other in self.trials if (other.kind, other.state) == key]
                rows.append([trial.kind, "", trial.state, groups[key].format(n=len(names), names=", ".join(names))])
                done.add(key)
        return ["what", "name", "state", "detail"], rows

    def below(self) -> Sequence[Shown]:
        """The settings."""
        if not self.settings:
            return []
        own = [name for name, _, origin in self.settings if origin != "default"]
        title = f"Set by a file or the environment: {', '.join(own)}." if own else "All settings have their defaults."
        return [Section(title, (["setting", "value", "from"], [[*row] for row in self.settings]))]


def check_installation(
    *, settings: Iterable[tuple[str, str, str]] = (), every: bool = False, catalog: Catalog | None = None
) -> Installation:
    """Tries what is installed, each loader, device and folder, as ``benchsuite doctor`` does.

    A loader reads 33 made-up images, through a file that it prepares if it needs one; a device multiplies matrices.
    ``settings`` are shown below: name, value, and where it comes from. ``every`` shows each package and extra. A plugin
    that makes other commands fail is a line, and then only the built-in ones are tried.
    """
    catalog, settings = catalog or _catalog(), tuple(settings)
    origins = {name: origin for name, _, origin in settings}
    trials = (*_packages(), *_plugins(catalog), *_loaders(catalog), *_devices(), *_folders(origins))
    return Installation(trials, settings, every)


def _catalog() -> Catalog:
    """All plugins; if one of those installed is an error to all commands, the built-in ones and that error."""
    try:
        return load_plugins()
    except BenchsuiteError as error:
        return replace(load_plugins(entry_points=False), broken=(("installed", str(error)),))


def _packages() -> Iterator[Trial]:
    """The required packages, then the extras but those for tests; an extra is there if all of its packages are."""
    extras = dict[str, list[str]]()
    for text in metadata.requires("benchsuite") or ():
        extra, name = _EXTRA.search(text), _NAME.match(text)
        assert name is not None, text
        if extra is None:
            version = _version(name[0])
            yield Trial("package", name[0], FINE if version else FAILED, version or f"pip install {name[0]}")
        elif extra[1] in FEATURES:
            extras.setdefault(extra[1], []).append(name[0])
    for extra_name, names in extras.items():
        missing = [name for name in names if not _version(name)]
        detail = f"for {FEATURES[extra_name]}" + (f"; lacks {', '.join(missing)}" if missing else "")
        yield Trial("extra", extra_name, ABSENT if missing else FINE, detail)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _plugins(catalog: Catalog) -> Iterator[Trial]:
    return (Trial("plugin", name, FAILED, " ".join(reason.split())) for name, reason in catalog.broken)


def _loaders(catalog: Catalog) -> Iterator[Trial]:
    from benchsuite.testing import check_loader

    for name, loader in catalog.loaders.items():
        trial = _tried("loader", name, loader.check, failed=ABSENT)
        if trial.state != FINE:
            yield trial
            continue
        trial = _tried("loader", name, lambda loader=loader: check_loader(loader))  # type: ignore[misc]
        exact = "the reference decoder's pixels" if loader.exact else "other pixels than the reference decoder"
        yield Trial("loader", name, trial.state, trial.detail or f"read 33 images: {exact}")


def _devices() -> Iterator[Trial]:
    import torch

    yield _tried("device", "cpu", lambda: _multiply("cpu"), f"{torch.get_num_threads()} threads")
    for number in range(torch.cuda.device_count()):
        name = f"cuda:{number}"
        memory = size(torch.cuda.get_device_properties(number).total_memory)
        detail = f"{torch.cuda.get_device_name(number)}, {memory}"
        yield _tried("device", name, lambda name=name: _multiply(name), detail)  # type: ignore[misc]
    if torch.backends.mps.is_available():
        yield _tried("device", "mps", lambda: _multiply("mps"))


def _multiply(device: str) -> None:
    import torch

    square = torch.eye(64, device=device) * 2
    if not torch.equal((square @ square).cpu(), torch.eye(64) * 4):
        raise ValueError("a product of matrices is wrong")


def _folders(origins: Mapping[str, str]) -> Iterator[Trial]:
    """The folders of the cache and the results: where they are, who says so, and how much is in them."""
    for name, variable, folder in (
        ("cache", "BENCHSUITE_CACHE", cache_dir()),
        ("results", "BENCHSUITE_RESULTS", results_folder(None)),
    ):
        origin = origins.get(name) or (variable if os.environ.get(variable) else "default")
        used = sum(file.size for file in list_cache().files) if name == "cache" else _size(folder)
        nearest = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        writable = nearest.is_dir() and os.access(nearest, os.W_OK)
        detail = f"{size(used)} in {folder} ({origin})" + (
            "" if writable else f"; cannot be written: {variable}=FOLDER"
        )
        yield Trial("folder", name, FINE if writable else FAILED, detail)


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def _tried(kind: str, name: str, work: Callable[[], Any], detail: str = "", *, failed: str = FAILED) -> Trial:
    try:
        work()
    except Exception as error:  # a driver or another library fails in ways of its own
        return Trial(kind, name, failed, first_line(error))
    return Trial(kind, name, FINE, detail)
