"""Tests of the streams of the command line: every text can be printed, into every pipe, and into none."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchsuite.cli import console, main

TEXTS = ("Käse", "中", "😀", "\udcff")


def call(*words: str, before: str = "") -> subprocess.CompletedProcess[bytes]:
    """``benchsuite WORDS`` in a shell, with ``before`` (a redirection) after the command."""
    line = f'"$0" -m benchsuite "$@" {before}'
    environment = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}
    return subprocess.run(
        ["/bin/sh", "-c", line, sys.executable, *words], env=environment, capture_output=True, check=False
    )


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii", "cp1252"])
@pytest.mark.parametrize("text", TEXTS)
def test_every_text_can_be_printed_and_json_stays_json(
    text: str, encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    console.open_streams()
    console.print_json({"name": text})
    sys.stdout.flush()
    assert json.loads(raw.getvalue().decode(encoding)) == {"name": text}
    print(text)
    sys.stdout.flush()


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_list_in_a_narrow_terminal_is_cut_in_any_encoding(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(raw, encoding=encoding))
    monkeypatch.setenv("COLUMNS", "40")
    assert main(["list", "protocols"]) == 0
    assert b"\\u2026\n" in raw.getvalue(), "the mark of a cut is escaped"


@pytest.mark.parametrize("words", [["list"], ["list", "--json"], ["--help"]])
def test_a_closed_output_is_no_error(words: list[str]) -> None:
    assert call(*words, before=">&-").stderr == b""
    assert call(*words, before=">&-").returncode == 0


@pytest.mark.parametrize("words", ["list published", "--help"])
def test_a_reader_that_closes_the_pipe_is_no_error(words: str) -> None:
    done = subprocess.Popen(
        [sys.executable, "-m", "benchsuite", *words.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert done.stdout is not None
    assert done.stderr is not None
    done.stdout.close()
    assert (done.stderr.read(), done.wait()) == (b"", 0)
    done.stderr.close()


def test_a_missing_device_is_one_short_line(capsys: pytest.CaptureFixture[str]) -> None:
    for device in ("mps", "vulkan:3", "no such device"):
        assert main(["run", "resnet20", "--weights", "random", "--limit", "1", "--device", device]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith("benchsuite: Expected --device to be auto or a device that exists")
        assert len(line) < 250


@pytest.mark.parametrize(("variable", "option"), [("BENCHSUITE_CACHE", ""), ("BENCHSUITE_RESULTS", "--results or ")])
def test_a_folder_that_cannot_be_written_is_found_before_any_image_and_named(
    variable: str, option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(variable, str(tmp_path / "file"))
    monkeypatch.setattr("benchsuite.runs.run._open", lambda *how: pytest.fail("a network was opened"))
    for precision in ("auto", "fp32"):
        words = ["run", "resnet20", "--weights", "random", "--limit", "1", "--device", "cpu", "--precision", precision]
        assert main(words) == 2
        assert f"({option}{variable} names another folder)" in capsys.readouterr().err


def test_a_path_that_no_manifest_can_hold_is_refused_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "resnet20", "--weights", "random", "--data", "folder:/data/\udcff"]) == 2
    assert r"Expected --data to be UTF-8, as manifests are, got 'folder:/data/\udcff'" in capsys.readouterr().err
