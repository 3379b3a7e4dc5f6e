"""benchsuite: evaluates image classifiers under any test protocol, counts exactly, and keeps every prediction.

A plugin may import the names that this module exports.
"""

import importlib
from typing import TYPE_CHECKING, Any

from benchsuite.data.archives import ARCHIVES, Member, members
from benchsuite.data.decode import SUFFIXES, check_head, check_headers, decode
from benchsuite.data.places import archive_state, is_remote, read_bytes
from benchsuite.data.prefetch import in_order
from benchsuite.data.system_files import system_kind
from benchsuite.errors import (
    BadParameter,
    BenchsuiteError,
    DataError,
    ExpectationFailed,
    PluginError,
    StorageError,
    TooLarge,
    TrainingError,
    UnknownName,
    UnsupportedProtocol,
    WeightsError,
    expected,
    first_line,
    unknown_name,
)
from benchsuite.report.tables.text import preprocessing_lines, result_table
from benchsuite.specs.architecture import Architecture, DenseParts, Family, Input, Transform, Weights
from benchsuite.specs.catalog import Catalog, load_plugins
from benchsuite.specs.combine import Combine
from benchsuite.specs.dataset import (
    AS_PILLOW,
    Baseline,
    Block,
    Cell,
    Census,
    Conversion,
    Dataset,
    Sample,
    Span,
    Split,
    SplitName,
)
from benchsuite.specs.hookspecs import hookimpl
from benchsuite.specs.loader import FileFormat, Loader
from benchsuite.specs.parameters import bind
from benchsuite.specs.perturbation import Perturbation
from benchsuite.specs.preprocess import Preprocess, center, view
from benchsuite.specs.protocol import Protocol, perturbing
from benchsuite.specs.recipe import Augmentation, Grid, Level, Mini, Optimizer, Recipe, Schedule, Warmup, steps
from benchsuite.specs.reporter import FinishedRun, Rate, Reporter
from benchsuite.specs.view import Crop, View, distinct, five, flips, grid
from benchsuite.storage.files import cache_dir, data_folders

if TYPE_CHECKING:
    from benchsuite.api.auditing import audit
    from benchsuite.api.catalog.data_places import add_data, download_data, list_data, remove_data
    from benchsuite.api.catalog.description import show
    from benchsuite.api.catalog.listing import list_entries
    from benchsuite.api.catalog.plugins import check_plugin, new_plugin
    from benchsuite.api.comparison import compare
    from benchsuite.api.datasets import check_data, prepare_data
    from benchsuite.api.evaluation import evaluate
    from benchsuite.api.explanation import explain
    from benchsuite.api.pages import export, write_report, write_tables
    from benchsuite.api.reproduction.reproduce import reproduce
    from benchsuite.api.sweeping import sweep
    from benchsuite.api.training import train
    from benchsuite.builtin.datasets._sets import (
        Rows,
        class_folders,
        imagenet_classes,
        labelled_images,
        read_array,
        read_image,
        rows,
    )
    from benchsuite.data.matlab import matlab_structs
    from benchsuite.runs.query import load_predictions, load_runs, query

__version__ = "0.1.0"

_SETS = ("Rows", "class_folders", "imagenet_classes", "labelled_images", "read_array", "read_image", "rows")
_LAZY = {
    **dict.fromkeys(_SETS, "benchsuite.builtin.datasets._sets"),
    "add_data": "benchsuite.api.catalog.data_places",
    "audit": "benchsuite.api.auditing",
    "check_data": "benchsuite.api.datasets",
    "check_plugin": "benchsuite.api.catalog.plugins",
    "compare": "benchsuite.api.comparison",
    "download_data": "benchsuite.api.catalog.data_places",
    "evaluate": "benchsuite.api.evaluation",
    "explain": "benchsuite.api.explanation",
    "export": "benchsuite.api.pages",
    "list_data": "benchsuite.api.catalog.data_places",
    "list_entries": "benchsuite.api.catalog.listing",
    "load_predictions": "benchsuite.runs.query",
    "load_runs": "benchsuite.runs.query",
    "matlab_structs": "benchsuite.data.matlab",
    "new_plugin": "benchsuite.api.catalog.plugins",
    "prepare_data": "benchsuite.api.datasets",
    "query": "benchsuite.runs.query",
    "remove_data": "benchsuite.api.catalog.data_places",
    "reproduce": "benchsuite.api.reproduction.reproduce",
    "show": "benchsuite.api.catalog.description",
    "sweep": "benchsuite.api.sweeping",
    "train": "benchsuite.api.training",
    "write_report": "benchsuite.api.pages",
    "write_tables": "benchsuite.api.pages",
}
"""The commands as functions, and what plugins make data sets with: the module of each, imported at its first use."""


def __getattr__(name: str) -> Any:
    """A function of ``_LAZY``."""
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LAZY[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY})


__all__ = [
    "ARCHIVES",
    "AS_PILLOW",
    "SUFFIXES",
    "Architecture",
    "Augmentation",
    "BadParameter",
    "Baseline",
    "BenchsuiteError",
    "Block",
    "Catalog",
    "Cell",
    "Census",
    "Combine",
    "Conversion",
    "Crop",
    "DataError",
    "Dataset",
    "DenseParts",
    "ExpectationFailed",
    "Family",
    "FileFormat",
    "FinishedRun",
    "Grid",
    "Input",
    "Level",
    "Loader",
    "Member",
    "Mini",
    "Optimizer",
    "Perturbation",
    "PluginError",
    "Preprocess",
    "Protocol",
    "Rate",
    "Recipe",
    "Reporter",
    "Rows",
    "Sample",
    "Schedule",
    "Span",
    "Split",
    "SplitName",
    "StorageError",
    "TooLarge",
    "TrainingError",
    "Transform",
    "UnknownName",
    "UnsupportedProtocol",
    "View",
    "Warmup",
    "Weights",
    "WeightsError",
    "add_data",
    "archive_state",
    "audit",
    "bind",
    "cache_dir",
    "center",
    "check_data",
    "check_head",
    "check_headers",
    "check_plugin",
    "class_folders",
    "compare",
    "data_folders",
    "decode",
    "distinct",
    "download_data",
    "evaluate",
    "expected",
    "explain",
    "export",
    "first_line",
    "five",
    "flips",
    "grid",
    "hookimpl",
    "imagenet_classes",
    "in_order",
    "is_remote",
    "labelled_images",
    "list_data",
    "list_entries",
    "load_plugins",
    "load_predictions",
    "load_runs",
    "matlab_structs",
    "members",
    "new_plugin",
    "perturbing",
    "prepare_data",
    "preprocessing_lines",
    "query",
    "read_array",
    "read_bytes",
    "read_image",
    "remove_data",
    "reproduce",
    "result_table",
    "rows",
    "show",
    "steps",
    "sweep",
    "system_kind",
    "train",
    "unknown_name",
    "view",
    "write_report",
    "write_tables",
]
