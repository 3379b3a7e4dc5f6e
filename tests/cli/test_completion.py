"""Tests of completion: the candidates, and what bash, zsh and fish make of them."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import benchsuite
from benchsuite.cli import COMMANDS, main
from benchsuite.cli._complete import candidates

SHELLS = ("bash", "zsh", "fish")


@pytest.fixture
def runs(isolated: Path) -> Path:
    for folder in ("runs/resnet20-1crop-digits-abc", "training/resnet20-recipe-def"):
        (isolated / "results" / folder).mkdir(parents=True)
        (isolated / "results" / folder / "manifest.json").write_text("{}")
    (isolated / "results" / "runs" / "broken").mkdir()
    (isolated / "file with space.txt").touch()
    return isolated


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", {"run", "list", "--help"}),
        ("ru", {"run"}),
        ("run resnet5", {"resnet50", "resnet50.v1", "resnet56"}),
        ("run timm", {"timm:"}),
        ("run resnet20-1", {"resnet20-1crop-digits-abc"}),
        ("run --pre", {"--precision", "--preprocess"}),
        ("run resnet50 -p 10", {"10crop"}),
        ("run resnet50 --protocol=10", {"--protocol=10crop"}),
        ("run resnet50 --data fash", {"fashion-mnist"}),
        ("run resnet50 --precision b", {"bf16"}),
        ("run resnet50 --resize-on ", {"auto", "host", "device"}),
        ("run --limit 5 resnet50 --loader tor", {"torch"}),
        ("report --html ", set()),
        ("run resnet50 --limit ", set()),
        ("list pro", {"protocols"}),
        ("list protocols multi", {"multicrop", "multiscale"}),
        ("compare ", {"resnet20-1crop-digits-abc", "resnet20-recipe-def"}),
        ("compare x --results elsewhere ", set()),
        ("show he-t4-ms-resnet-50-t", {"he-t4-ms-resnet-50-top1", "he-t4-ms-resnet-50-top5"}),
        ("train pnn --recipe klachko-5", {"klachko-5"}),
        ("data ch", {"check"}),
        ("data check --spl", {"--split"}),
        ("data check cifar10 --split ", {"test", "train"}),
        ("plugin new x --kind tr", {"transform"}),
        ("completion ", set(SHELLS)),
        ("nothing x", set()),
    ],
)
def test_candidates_are_what_fits(line: str, found: set[str], runs: Path) -> None:
    words = candidates(line.split(" "))
    assert (found <= set(words)) if not line else set(words) >= found if "klachko" in line else set(words) == found
    assert words == sorted(words)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_completes_its_options(command: str, runs: Path) -> None:
    assert candidates([command, ""]) is not None
    assert "--help" in candidates([command, "--"])


def script(shell: str, tmp_path: Path) -> Path:
    """The script of a shell in a file, and ``benchsuite`` for the path in ``tmp_path/bin``."""
    program = tmp_path / "bin" / "benchsuite"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m benchsuite "$@"\n')
    program.chmod(0o755)
    file = tmp_path / f"completion.{shell}"
    file.write_text(benchsuite.completion_script(shell))
    return file


def shell(name: str, program: str, tmp_path: Path) -> list[str]:
    """The lines that a shell prints. Skips the test without the shell."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "TERM": "dumb"}
    plain = {"bash": ["--norc", "--noprofile"], "zsh": ["-f"], "fish": ["--no-config"]}[name]
    words = [found, *plain, "-c", program]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize("name", SHELLS)
def test_the_script_of_each_shell_has_no_wrong_syntax(name: str, tmp_path: Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    done = subprocess.run([name, "-n", str(script(name, tmp_path))], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


LINES = {
    "benchsuite comp": ["compare", "completion"],
    "benchsuite run resnet20-1": ["resnet20-1crop-digits-abc"],
    "benchsuite list protocols multi": ["multicrop", "multiscale"],
}


@pytest.mark.parametrize("line", LINES)
def test_bash_completes(line: str, tmp_path: Path, runs: Path) -> None:
    program = f"source {script('bash', tmp_path)}; COMP_LINE={shlex.quote(line)}; COMP_POINT=${{#COMP_LINE}}; "
    program += "_benchsuite; printf '%s\\n' \"${COMPREPLY[@]}\"; complete -p benchsuite"
    *found, registered = shell("bash", program, tmp_path)
    assert found == LINES[line]
    assert registered == "complete -o default -F _benchsuite benchsuite"


def test_bash_replaces_only_what_follows_its_own_word_breaks(tmp_path: Path, runs: Path) -> None:
    line = "COMP_LINE='benchsuite run x --protocol=10'; COMP_POINT=${#COMP_LINE}"
    program = f"source {script('bash', tmp_path)}; {line}; _benchsuite; echo ${{COMPREPLY[@]}}"
    assert shell("bash", program, tmp_path) == ["10crop"]


@pytest.mark.parametrize("line", LINES)
def test_zsh_completes(line: str, tmp_path: Path, runs: Path) -> None:
    program = "autoload -Uz compinit; compinit -u -D; " + f"source {script('zsh', tmp_path)}; "
    program += 'compadd() { while [[ $1 != -- ]]; do shift; done; shift; print -l -- "$@" }; '
    program += f"words=({line}); CURRENT=${{#words}}; _benchsuite; print ${{_comps[benchsuite]}}"
    assert shell("zsh", program, tmp_path) == [*LINES[line], "_benchsuite"]


@pytest.mark.parametrize("line", LINES)
def test_fish_completes(line: str, tmp_path: Path, runs: Path) -> None:
    program = f"source {script('fish', tmp_path)}; complete -C {shlex.quote(line)}"
    assert shell("fish", program, tmp_path) == LINES[line]


def test_fish_completes_files_where_there_are_no_names(tmp_path: Path, runs: Path) -> None:
    program = f"source {script('fish', tmp_path)}; cd {runs}; complete -C 'benchsuite run resnet20 --weights fi'"
    assert [line.partition("\t")[0] for line in shell("fish", program, tmp_path)] == ["file with space.txt"]


def test_a_mistake_of_the_line_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["complete", "--", "nothing", "x"]) == 0
    assert capsys.readouterr().out.strip() == ""


def test_an_unknown_shell_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bahs"]) == 2
    assert capsys.readouterr().err == "benchsuite: Unknown shell 'bahs': did you mean 'bash'?\n"
