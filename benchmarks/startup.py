"""CPU seconds of ``benchsuite --help`` and ``benchsuite list``: median of 20 runs. Aim: under 0.3.

python benchmarks/startup.py
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys

RUNS = 20


def cpu_seconds(command: list[str]) -> float:
    """User and system time of one run of a command, in seconds. Raises ``CalledProcessError`` if it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints a line for the bare interpreter and one for each command; the runs are interleaved."""
    commands = [
        ("python -c pass", [sys.executable, "-c", "pass"]),
        ("benchsuite --help", [sys.executable, "-m", "benchsuite", "--help"]),
        ("benchsuite list", [sys.executable, "-m", "benchsuite", "list"]),
    ]
    seconds: dict[str, list[float]] = {name: [] for name, _ in commands}
    for _, command in commands:
        cpu_seconds(command)
    for _ in range(RUNS):
        for name, command in commands:
            seconds[name].append(cpu_seconds(command))
    print(f"CPU seconds, {RUNS} runs each, after one to warm the disk's cache\n")
    print(f"{'command':<20} {'median':>7} {'least':>7} {'most':>7}")
    for name, measured in seconds.items():
        print(f"{name:<20} {statistics.median(measured):7.3f} {min(measured):7.3f} {max(measured):7.3f}")


if __name__ == "__main__":
    main()
