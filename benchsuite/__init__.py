"""benchsuite: evaluates image classifiers under any test protocol, counts exactly, and keeps every prediction.

A plugin may import the names that this module exports. Each is imported at its first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

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
    from benchsuite.api.shell.caches import clear_cache, list_cache
    from benchsuite.api.shell.completion import completion_script
    from benchsuite.api.shell.installation import check_installation
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
    from benchsuite.data.archives import ARCHIVES, Member, members
    from benchsuite.data.decode import SUFFIXES, check_head, check_headers, decode
    from benchsuite.data.matlab import matlab_structs
    from benchsuite.data.places import archive_state, is_remote, read_bytes
    from benchsuite.data.prefetch import in_order
    from benchsuite.data.resize import refuse_large
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
    from benchsuite.runs.query import load_predictions, load_runs, query
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
        decodes,
        file_content,
    )
    from benchsuite.specs.hookspecs import hookimpl
    from benchsuite.specs.loader import FileFormat, Loader
    from benchsuite.specs.parameters import bind
    from benchsuite.specs.perturbation import Perturbation
    from benchsuite.specs.preprocess import Preprocess, center, view
    from benchsuite.specs.protocol import Protocol, perturbing
    from benchsuite.specs.recipe import Augmentation, Grid, Level, Mini, Optimizer, Recipe, Schedule, Warmup, steps
    from benchsuite.specs.reporter import FinishedRun, Rate, Reporter
    from benchsuite.specs.view import Crop, View, distinct, five, flips, grid, resized_shape
    from benchsuite.storage.files import cache_dir, data_folders

__version__ = "0.1.0"

_NAMES = {
    "benchsuite.api.auditing": "audit",
    "benchsuite.api.catalog.data_places": "add_data download_data list_data remove_data",
    "benchsuite.api.catalog.description": "show",
    "benchsuite.api.catalog.listing": "list_entries",
    "benchsuite.api.catalog.plugins": "check_plugin new_plugin",
    "benchsuite.api.comparison": "compare",
    "benchsuite.api.datasets": "check_data prepare_data",
    "benchsuite.api.evaluation": "evaluate",
    "benchsuite.api.explanation": "explain",
    "benchsuite.api.pages": "export write_report write_tables",
    "benchsuite.api.reproduction.reproduce": "reproduce",
    "benchsuite.api.shell.caches": "clear_cache list_cache",
    "benchsuite.api.shell.completion": "completion_script",
    "benchsuite.api.shell.installation": "check_installation",
    "benchsuite.api.sweeping": "sweep",
    "benchsuite.api.training": "train",
    "benchsuite.builtin.datasets._sets": (
        "Rows class_folders imagenet_classes labelled_images read_array read_image rows"
    ),
    "benchsuite.data.archives": "ARCHIVES Member members",
    "benchsuite.data.decode": "SUFFIXES check_head check_headers decode",
    "benchsuite.data.matlab": "matlab_structs",
    "benchsuite.data.places": "archive_state is_remote read_bytes",
    "benchsuite.data.prefetch": "in_order",
    "benchsuite.data.resize": "refuse_large",
    "benchsuite.data.system_files": "system_kind",
    "benchsuite.errors": (
        "BadParameter BenchsuiteError DataError ExpectationFailed PluginError StorageError TooLarge "
        "TrainingError UnknownName UnsupportedProtocol WeightsError expected first_line unknown_name"
    ),
    "benchsuite.report.tables.text": "preprocessing_lines result_table",
    "benchsuite.runs.query": "load_predictions load_runs query",
    "benchsuite.specs.architecture": "Architecture DenseParts Family Input Transform Weights",
    "benchsuite.specs.catalog": "Catalog load_plugins",
    "benchsuite.specs.combine": "Combine",
    "benchsuite.specs.dataset": (
        "AS_PILLOW Baseline Block Cell Census Conversion Dataset Sample Span Split SplitName decodes file_content"
    ),
    "benchsuite.specs.hookspecs": "hookimpl",
    "benchsuite.specs.loader": "FileFormat Loader",
    "benchsuite.specs.parameters": "bind",
    "benchsuite.specs.perturbation": "Perturbation",
    "benchsuite.specs.preprocess": "Preprocess center view",
    "benchsuite.specs.protocol": "Protocol perturbing",
    "benchsuite.specs.recipe": "Augmentation Grid Level Mini Optimizer Recipe Schedule Warmup steps",
    "benchsuite.specs.reporter": "FinishedRun Rate Reporter",
    "benchsuite.specs.view": "Crop View distinct five flips grid resized_shape",
    "benchsuite.storage.files": "cache_dir data_folders",
}
"""The names that each module exports; what a command or plugin does not use is not imported."""

_MODULES = {name: module for module, names in _NAMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    """An exported name, which is kept from then on."""
    if name not in _MODULES:
        function = {"run": "evaluate", "list": "list_entries", "tables": "write_tables"}.get(name)
        hint = f": the command {name} is benchsuite.{function}" if function else ""
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}{hint}")
    value = globals()[name] = getattr(importlib.import_module(_MODULES[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})


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
    "check_installation",
    "check_plugin",
    "class_folders",
    "clear_cache",
    "compare",
    "completion_script",
    "data_folders",
    "decode",
    "decodes",
    "distinct",
    "download_data",
    "evaluate",
    "expected",
    "explain",
    "export",
    "file_content",
    "first_line",
    "five",
    "flips",
    "grid",
    "hookimpl",
    "imagenet_classes",
    "in_order",
    "is_remote",
    "labelled_images",
    "list_cache",
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
    "refuse_large",
    "remove_data",
    "reproduce",
    "resized_shape",
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
