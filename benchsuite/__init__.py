"""benchsuite: evaluates image classifiers under any test protocol, counts exactly, and keeps every prediction.

What a plugin may import is what this module names.
"""

from benchsuite.binding import bind
from benchsuite.catalog import Catalog, load_plugins
from benchsuite.chunks import cache_dir
from benchsuite.combine import Combine
from benchsuite.decode import SUFFIXES, check_headers, decode
from benchsuite.errors import (
    BadParameter,
    BenchsuiteError,
    DataError,
    PluginError,
    StorageError,
    UnknownName,
    UnsupportedProtocol,
    WeightsError,
    expected,
    unknown_name,
)
from benchsuite.hookspecs import hookimpl
from benchsuite.specs import (
    Architecture,
    Dataset,
    DenseParts,
    Family,
    Input,
    Loader,
    Preprocess,
    Protocol,
    Recipe,
    Reporter,
    Sample,
    Split,
    SplitName,
    Weights,
    center,
    view,
)
from benchsuite.tables import result_table
from benchsuite.view import Crop, View, distinct, five, flips, grid

__version__ = "0.1.0"

__all__ = [
    "SUFFIXES",
    "Architecture",
    "BadParameter",
    "BenchsuiteError",
    "Catalog",
    "Combine",
    "Crop",
    "DataError",
    "Dataset",
    "DenseParts",
    "Family",
    "Input",
    "Loader",
    "PluginError",
    "Preprocess",
    "Protocol",
    "Recipe",
    "Reporter",
    "Sample",
    "Split",
    "SplitName",
    "StorageError",
    "UnknownName",
    "UnsupportedProtocol",
    "View",
    "Weights",
    "WeightsError",
    "bind",
    "cache_dir",
    "center",
    "check_headers",
    "decode",
    "distinct",
    "expected",
    "five",
    "flips",
    "grid",
    "hookimpl",
    "load_plugins",
    "result_table",
    "unknown_name",
    "view",
]
