"""The pytest plugin: tests of a benchsuite plugin with the conformance kit.

A test with the argument ``conformance`` is run for the import of the plugin and for each value that it declares. The
plugin is named by ``benchsuite_plugin`` in pytest's settings, or by ``--benchsuite-plugin NAME``. Without tests of that
kind nothing is imported.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchsuite.errors import BenchsuiteError, PluginError

SETTING = "benchsuite_plugin"


@dataclass(frozen=True, slots=True)
class Conformance:
    """One check of a plugin: of its import (kind ``import``), or of a value that it declares, by kind and name."""

    plugin: str
    kind: str
    name: str

    def check(self) -> None:
        """Raises ``PluginError`` with the defect, what was expected, and how to mend it; skips what is missing."""
        import pytest

        from benchsuite.specs.catalog import load_plugins
        from benchsuite.testing.plugin import check_discovery, check_value, find_plugin

        catalog = load_plugins()
        if self.kind == "import":
            finding = check_discovery(find_plugin(self.plugin, catalog))
        else:
            finding = check_value(self.kind, self.name, catalog)
        if finding.skipped:
            pytest.skip(finding.skipped)
        if not finding.passed:
            raise PluginError(f"{finding.defect}: {finding.problem}. {finding.mend}")


def pytest_addoption(parser: Any) -> None:
    """The setting and the option that name the plugin."""
    text = "the benchsuite plugin that tests with the argument conformance check"
    parser.addini(SETTING, text, default="")
    parser.addoption("--benchsuite-plugin", default="", metavar="NAME", help=text)


def pytest_generate_tests(metafunc: Any) -> None:
    """One test for each check of the plugin."""
    if "conformance" not in metafunc.fixturenames:
        return
    import pytest

    from benchsuite.specs.catalog import load_plugins
    from benchsuite.testing.plugin import find_plugin

    name = metafunc.config.getoption("--benchsuite-plugin") or metafunc.config.getini(SETTING)
    if not name:
        raise pytest.UsageError(f"Expected {SETTING} in pytest's settings to be the name of a plugin, got none")
    try:
        plugin = find_plugin(name, load_plugins())
    except BenchsuiteError as error:
        raise pytest.UsageError(f"{error} (is it installed? pip install -e .)") from None
    checks = [Conformance(name, "import", plugin.target), *(Conformance(name, *key) for key in plugin.declared)]
    metafunc.parametrize("conformance", checks, ids=[f"{check.kind} {check.name}" for check in checks])
