"""CPU seconds of commands that answer at once, and how often the time of ``python -c pass`` they take. Aim: 6 or less.

python benchmarks/startup.py
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile

RUNS = 11

COMMANDS = ["--help", "list", "--version", "complete -- li", "complete -- run --pre", "complete -- run res"]
"""What is measured; the last three are what a shell asks when Tab is pressed, in a command, an option or a name."""


def cpu_seconds(command: list[str], environment: dict[str, str]) -> float:
    """User and system time of one run of a command, in seconds. Raises ``CalledProcessError`` if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints a line for the bare interpreter and one for each command; the runs are interleaved.

    Python compiles modules once, as it does where it may write next to them: into a folder for these runs.
    """
    bare = "python -c pass"
    commands = {bare: [sys.executable, "-c", "pass"]}
    commands |= {f"benchsuite {words}": [sys.executable, "-m", "benchsuite", *words.split()] for words in COMMANDS}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as compiled:
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = compiled
        for command in commands.values():
            cpu_seconds(command, environment)
        for _ in range(RUNS):
            for name, command in commands.items():
                seconds[name].append(cpu_seconds(command, environment))
    medians = {name: statistics.median(measured) for name, measured in seconds.items()}
    print(f"CPU seconds, {RUNS} interleaved runs each, after one to compile and to warm the disk's cache\n")
    print(f"{'command':<42} {'median':>7} {'least':>7} {'most':>7} {'times':>6}")
    for name, median in medians.items():
        extremes = f"{min(seconds[name]):7.3f} {max(seconds[name]):7.3f}"
        print(f"{name:<42} {median:7.3f} {extremes} {median / medians[bare]:6.1f}")


if __name__ == "__main__":
    main()
