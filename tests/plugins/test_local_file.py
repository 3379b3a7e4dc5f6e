"""Tests of networks in a file that the user names: digests, options, preprocessing, and an error of one line each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from recorded_progress import RecordedProgress
from toys import TOP1_ERRORS, ToyPlugin

import benchsuite
from benchsuite import BenchsuiteError, load_plugins

FILE = """
from torch import nn
from benchsuite import Preprocess
from {parts} import head
{preprocess}
def build(num_classes, *, gain: float = 1.0):
    net = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), head(num_classes))
    return net

class Net(nn.Sequential):
    def __init__(self, num_classes):
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten(), head(num_classes))

def seven(num_classes):
    return build(7)

def text(num_classes):
    return "net"

def nothing():
    return None

def untyped(num_classes, *, gain=1.0):
    return build(num_classes)

number = 3
"""
PREPROCESS = "PREPROCESS = Preprocess(5, 4, 'bilinear', (0.0, 0.0, 0.0), (1.0, 1.0, 1.0))"
PARTS = "from torch import nn\ndef head(classes):\n    return nn.Linear(3, classes, bias=False)\n"
CATALOG = load_plugins(entry_points=False, extra=[ToyPlugin()])


@pytest.fixture
def net(tmp_path: Path) -> Path:
    """``my_net.py`` and, next to it, the file that it imports, whose name is new in each test."""
    parts = f"parts_{abs(hash(str(tmp_path)))}"
    (tmp_path / f"{parts}.py").write_text(PARTS)
    file = tmp_path / "my_net.py"
    file.write_text(FILE.format(parts=parts, preprocess=PREPROCESS))
    return file


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A checkpoint for which the first class is red, the second green."""
    import torch

    torch.save({"2.weight": torch.eye(2, 3)}, tmp_path / "x.pth")
    return tmp_path / "x.pth"


def evaluate(name: str, **options: Any) -> Any:
    given: Any = {"catalog": CATALOG, "data": "toy", "device": "cpu", "progress": False} | options
    return benchsuite.evaluate(name, "1crop", **given)


@pytest.mark.parametrize("function", ["build", "Net"])
def test_a_function_or_a_class_with_a_checkpoint_gives_the_answers_by_hand(
    function: str, net: Path, weights: Path
) -> None:
    progress = RecordedProgress()
    run = evaluate(f"{net}:{function}", weights=weights, progress=progress)
    assert run.top1_errors == TOP1_ERRORS["1crop"]
    assert run.architecture == f"{net}:{function}"
    (said,) = (note for note in progress.notes if note.startswith("preprocessing of x.pth: short side 5, crop 4"))
    assert said.endswith(f"; from {net}:{function}")


def test_another_text_of_the_file_or_of_what_it_imports_is_another_run(net: Path, weights: Path) -> None:
    first = evaluate(f"{net}:build", weights=weights)
    assert evaluate(f"{net}:build", weights=weights).row["cached"]
    net.write_text(net.read_text() + "# changed\n")
    second = evaluate(f"{net}:build", weights=weights)
    (parts,) = net.parent.glob("parts_*.py")
    parts.write_text(parts.read_text() + "# changed\n")
    third = evaluate(f"{net}:build", weights=weights)
    assert len({first.run_id, second.run_id, third.run_id}) == 3
    assert "sha256" in first.manifest["architecture"]["owner"]


def test_options_are_keyword_only_parameters(net: Path) -> None:
    architecture = CATALOG.architecture(f"{net}:build:gain=2")
    assert architecture.name == f"{net}:build:gain=2.0"
    with pytest.raises(BenchsuiteError, match="did you mean 'gain'"):
        CATALOG.architecture(f"{net}:build:gian=2")


def test_without_a_preprocess_a_data_set_without_a_usual_one_is_refused(net: Path, weights: Path) -> None:
    net.write_text(net.read_text().replace(PREPROCESS, ""))
    with pytest.raises(BenchsuiteError, match="to be declared by it, as toy has no usual one, got none"):
        evaluate(f"{net}:build", weights=weights)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("/no/such/file.py:build", "PATH.py:FUNCTION with a file that exists, got /no/such/file.py"),
        ("{net}", "PATH.py:FUNCTION, such as {net}:"),
        ("{net}:biuld", "did you mean 'build'?"),
        ("{net}:number", "Expected {net}:number to be a function or a class, got a int"),
        ("{net}:nothing", "Expected {net}:nothing to be callable as build(num_classes)"),
        ("{net}:untyped", "Expected the option gain of {net}:untyped to be annotated with its type"),
        ("{net}:text", "Expected what build of {net}:text returns to be a torch.nn.Module, got 'net'"),
        ("{net}:seven", "Expected the number of classes of {net}:seven to be 2, that of the dataset, got 7"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(name: str, said: str, net: Path) -> None:
    with pytest.raises(BenchsuiteError) as caught:
        evaluate(name.format(net=net), weights="random")
    assert said.format(net=net) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_imported_says_why(net: Path) -> None:
    net.write_text("import no_such_library_here\n")
    with pytest.raises(BenchsuiteError, match="got ModuleNotFoundError: No module named 'no_such_library_here'"):
        evaluate(f"{net}:build", weights="random")
    net.write_text("def build(:\n")
    with pytest.raises(BenchsuiteError, match="a Python file that can be imported, got SyntaxError"):
        evaluate(f"{net}:build", weights="random")
