"""``benchsuite.new_plugin`` and ``benchsuite.check_plugin``: write a plugin of one's own, and check one."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchsuite.api.shown import Shown
from benchsuite.scaffold import new
from benchsuite.specs.catalog import Catalog, load_plugins

if TYPE_CHECKING:
    import pandas as pd

    from benchsuite.report.tables.text import Table
    from benchsuite.testing.plugin import Finding


@dataclass(frozen=True, slots=True, repr=False)
class WrittenPlugin(Shown):
    """A distribution that was written: its ``folder``, its ``files`` in it, and the ``commands`` to try it."""

    folder: Path
    kind: str
    files: tuple[Path, ...]
    commands: tuple[str, ...]

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``plugin new --json``."""
        return {"folder": str(self.folder), "kind": self.kind, "files": [str(file) for file in self.files]}

    def lines(self) -> Sequence[str]:
        """Where it is, and that the commands below install and check it."""
        files = ", ".join(str(file) for file in self.files)
        return [f"written to {self.folder}: {files}"]

    def cells(self) -> Table:
        """The commands to try it."""
        return ["to install it, check it, and run its tests"], [[command] for command in self.commands]


def new_plugin(name: str, kind: str = "architecture", *, into: str | Path = ".") -> WrittenPlugin:
    """Writes a small package that installs and passes its checks as it is, as ``benchsuite plugin new`` does.

    ``kind`` is architecture, protocol, perturbation, dataset, loader, transform or reporter. The package is the folder
    ``name`` in ``into``, which must not exist. Raises ``BadParameter`` for a name that cannot be one, ``UnknownName``
    for another kind, and ``StorageError`` for the folder.
    """
    made = new.new_plugin(name, kind, Path(into))
    return WrittenPlugin(made.folder, kind, made.files, made.commands)


@dataclass(frozen=True, slots=True, repr=False)
class PluginCheck(Shown):
    """The checks of everything that a plugin declares."""

    plugin: str
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(finding.passed for finding in self.findings)

    @property
    def record(self) -> dict[str, Any]:
        """The object of ``plugin check --json``."""
        rows = [dataclasses.asdict(f) | {"passed": f.passed, "mend": f.mend} for f in self.findings]
        return {"plugin": self.plugin, "passed": self.passed, "findings": rows}

    @property
    def table(self) -> pd.DataFrame:
        """One row for each check: what was checked, the defect, the problem, and how to mend it."""
        import pandas as pd

        return pd.DataFrame(self.record["findings"])

    def lines(self) -> Sequence[str]:
        """How many checks failed; for each of them what was expected and how to mend it; then what was not checked."""
        failed = [finding for finding in self.findings if not finding.passed]
        total = len(self.findings)
        count = f"{len(failed)} of {total} checks failed" if failed else f"all {total} checks passed"
        lines = [f"{self.plugin}: {count}"]
        for finding in failed:
            lines += [f"{finding.defect}: {finding.problem}", f"  {finding.mend}"]
        return lines + [f"{f.subject} was not checked: {f.skipped}" for f in self.findings if f.skipped]

    def cells(self) -> Table:
        """A line for each value that was checked."""
        words = {
            f.subject: "skipped" if f.skipped else "ok" if f.passed else f"FAILED: {f.defect}" for f in self.findings
        }
        return ["checked", "result"], [[subject, word] for subject, word in words.items()]


def check_plugin(name: str, *, catalog: Catalog | None = None) -> PluginCheck:
    """Checks what a plugin imports and everything that it declares, as ``benchsuite plugin check`` does.

    ``name`` is that of an installed plugin or package, or one that it declares. Raises ``UnknownName`` for others.
    """
    from benchsuite.testing import plugin

    return PluginCheck(name, plugin.check_plugin(name, catalog or load_plugins()))
