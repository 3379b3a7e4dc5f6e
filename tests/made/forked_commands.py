"""Commands of benchsuite in processes that start in milliseconds, forked from one that has imported everything.

As a program it serves a test: a line of JSON on standard input, ``{"arguments", "environment", "output"}``, starts a
command and is answered by the process's number; a line with a number waits for that process and is answered by its
exit status, negative for a signal.
"""

from __future__ import annotations

import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

SPECKS_IN_CHUNK = 4


class Kitchen:
    """The warm process, for a test: it starts commands and waits for them."""

    def __init__(self) -> None:
        own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | own,
        )

    def _asked(self, line: object) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(line), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def start(self, arguments: list[str], environment: dict[str, str], output: Path) -> Started:
        """Starts ``benchsuite ARGUMENTS``; what it prints goes to OUTPUT.out and OUTPUT.err."""
        asked = {"arguments": arguments, "environment": environment, "output": str(output)}
        return Started(self, self._asked(asked), output)

    def close(self) -> None:
        """Ends the warm process."""
        self.process.communicate(timeout=60)


@dataclasses.dataclass(frozen=True)
class Started:
    """A command that was started."""

    kitchen: Kitchen
    pid: int
    output: Path

    def wait(self) -> int:
        """Its exit status, negative for a signal."""
        return self.kitchen._asked(self.pid)

    def ended(self) -> bool:
        """Whether it has come to an end."""
        return Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"

    def kill(self) -> None:
        """``kill -9``."""
        os.kill(self.pid, signal.SIGKILL)

    @property
    def out(self) -> str:
        return self.output.with_suffix(".out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self.output.with_suffix(".err").read_text(encoding="utf-8")


def warm() -> None:
    """Imports what every command needs, with the specks as a plugin and small chunks."""
    import crash_plugin
    import pyarrow.parquet  # noqa: F401
    import rich.progress  # noqa: F401
    import torch.distributed.rendezvous  # noqa: F401

    import benchsuite.cli.run
    import benchsuite.models.network
    from benchsuite import evaluate, load_plugins
    from benchsuite.runs import parallel, run

    catalog = load_plugins(entry_points=False, extra=[crash_plugin])
    for module in (benchsuite.cli.run, run):
        module.load_plugins = lambda: catalog  # type: ignore[attr-defined]
    evaluate.CHUNK = parallel.CHUNK = SPECKS_IN_CHUNK  # type: ignore[misc]


def carry_out(asked: dict[str, Any]) -> int:
    """Starts a command in a process of its own, and returns its number."""
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        for number, suffix in ((1, ".out"), (2, ".err")):
            os.dup2(os.open(asked["output"] + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.environ |= asked["environment"]
        if "LARGEST_FILE" in os.environ:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["LARGEST_FILE"]),) * 2)
        from benchsuite.cli import main

        status = main(asked["arguments"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def serve() -> None:
    """Reads commands until there are no more."""
    warm()
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, int):
            print(os.waitstatus_to_exitcode(os.waitpid(asked, 0)[1]), flush=True)
        else:
            print(carry_out(asked), flush=True)


if __name__ == "__main__":
    serve()
