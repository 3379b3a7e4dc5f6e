"""The conformance kit for plugins: each check returns None, or raises ``PluginError`` with one line.

``check_architecture(a)``, ``check_protocol(p)``, ``check_perturbation(p)``, ``check_dataset(d)``, ``check_loader(l)``,
``check_reporter(r)`` and ``check_transform(t)`` check that a declared value keeps what the rest of benchsuite relies
on. ``check_plugin(name, catalog)`` makes the checks of everything that a plugin declares and returns the findings. The
built-in plugins pass these checks too. ``DEFECTS`` names the defects that are found, and says how to mend each.
"""

from benchsuite.testing.architectures import check_architecture
from benchsuite.testing.datasets import check_dataset
from benchsuite.testing.defects import DEFECTS, Defect
from benchsuite.testing.loaders import check_loader
from benchsuite.testing.perturbations import check_perturbation
from benchsuite.testing.plugin import Finding, check_plugin
from benchsuite.testing.protocols import check_protocol
from benchsuite.testing.reporters import check_reporter
from benchsuite.testing.transforms import check_transform

__all__ = [
    "DEFECTS",
    "Defect",
    "Finding",
    "check_architecture",
    "check_dataset",
    "check_loader",
    "check_perturbation",
    "check_plugin",
    "check_protocol",
    "check_reporter",
    "check_transform",
]
