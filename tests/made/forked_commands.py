"""Runs commands of benchsuite in processes that start in milliseconds: they are forked from a process with all imports.

Run as a program, this file is that process. It reads lines of JSON from standard input and answers each with one line.
``{"arguments", "environment", "output"}`` starts a command; the answer is its process id. A process id waits for that
process; the answer is its exit status, negative for a signal.
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


class ForkServer:
    """A connection to the process with all imports, for a test: starts commands and waits for them."""

    def __init__(self) -> None:
        own = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parent)}
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | own,
        )

    def _answer(self, line: object) -> int:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(line), file=self.process.stdin, flush=True)
        return int(self.process.stdout.readline())

    def start(self, arguments: list[str], environment: dict[str, str], output: Path) -> Started:
        """Starts ``benchsuite ARGUMENTS``; its standard output and error are written to OUTPUT.out and OUTPUT.err."""
        command = {"arguments": arguments, "environment": environment, "output": str(output)}
        return Started(self, self._answer(command), output)

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate(timeout=60)


@dataclasses.dataclass(frozen=True)
class Started:
    """A command that was started."""

    server: ForkServer
    pid: int
    output: Path

    def wait(self) -> int:
        """Its exit status, negative for a signal."""
        return self.server._answer(self.pid)

    def ended(self) -> bool:
        """Whether the process has ended."""
        return Path(f"/proc/{self.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] == "Z"

    def kill(self) -> None:
        """Kills the process with ``kill -9``."""
        os.kill(self.pid, signal.SIGKILL)

    @property
    def out(self) -> str:
        return self.output.with_suffix(".out").read_text(encoding="utf-8")

    @property
    def err(self) -> str:
        return self.output.with_suffix(".err").read_text(encoding="utf-8")


def warm() -> None:
    """Imports the modules of every command, adds ``crash_plugin`` and makes chunks small."""
    import crash_plugin
    import pyarrow.parquet  # noqa: F401
    import rich.progress  # noqa: F401
    import torch.distributed.rendezvous  # noqa: F401

    import benchsuite.cli.run
    import benchsuite.models.network
    from benchsuite import evaluator, load_plugins
    from benchsuite.runs import parallel, run

    catalog = load_plugins(entry_points=False, extra=[crash_plugin])
    for module in (benchsuite.cli.run, run):
        module.load_plugins = lambda: catalog  # type: ignore[attr-defined]
    evaluator.CHUNK = parallel.CHUNK = SPECKS_IN_CHUNK  # type: ignore[misc]


def carry_out(command: dict[str, Any]) -> int:
    """Starts a command in a forked process; returns its process id."""
    pid = os.fork()
    if pid:
        return pid
    status = 70
    try:
        for number, suffix in ((1, ".out"), (2, ".err")):
            os.dup2(os.open(command["output"] + suffix, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.environ |= command["environment"]
        if "LARGEST_FILE" in os.environ:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(os.environ["LARGEST_FILE"]),) * 2)
        from benchsuite.cli import main

        status = main(command["arguments"])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def serve() -> None:
    """Answers lines until standard input ends."""
    warm()
    for line in sys.stdin:
        message = json.loads(line)
        if isinstance(message, int):
            print(os.waitstatus_to_exitcode(os.waitpid(message, 0)[1]), flush=True)
        else:
            print(carry_out(message), flush=True)


if __name__ == "__main__":
    serve()
