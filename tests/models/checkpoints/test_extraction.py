"""Tests of what is said and refused when a network's tensors are taken out of a checkpoint."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from small_network import Net, trained
from torch import nn
from torchvision import models

from benchsuite import WeightsError
from benchsuite.models.checkpoints.choice import Selection
from benchsuite.models.checkpoints.extraction import Extracted, extract
from benchsuite.models.checkpoints.places import rows

STATE = dict(trained().state_dict())


def found(content: Any, module: Any = None, selection: Selection | None = None, adapt: Any = None) -> Extracted:
    return extract(content, module or trained(), selection or Selection(), "net, weights x.pth", adapt, path="x.pth")


def line(content: Any, module: Any = None, selection: Selection | None = None, adapt: Any = None) -> str:
    with pytest.raises(WeightsError) as error:
        found(content, module, selection, adapt)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_nothing_is_said_of_a_plain_state_dict() -> None:
    reading = found(STATE).reading
    assert (str(reading), reading.data()) == ("", {})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"state_dict": STATE, "epoch": 3, "optimizer": {}}, "taken from state_dict; passed over: epoch, optimizer"),
        ({f"module.{n}": t for n, t in STATE.items()}, "taken from module"),
        ({**STATE, "epoch": 3}, "passed over: epoch"),
        (
            {"state_dict": {f"{'head' if n[0] == 'f' else 'backbone'}.{n}": t for n, t in STATE.items()}},
            "taken from state_dict; without backbone, head in the names",
        ),
        (
            {"n_averaged": torch.tensor(2), **{f"module.{n}": t for n, t in STATE.items()}},
            "from module; passed over: n_av",
        ),
        ({n: t.half() for n, t in STATE.items() if "num" not in n}, "float16 read into float32 (8 tensors)"),
        ({n: t.double() / 3 for n, t in STATE.items() if "num" not in n}, "float64 rounded to float32 (8 tensors)"),
    ],
)
def test_what_was_done_to_a_file_is_said_and_kept(content: Any, said: str) -> None:
    reading = found(content).reading
    assert said in str(reading)
    assert set(reading.data()) <= {"taken_from", "between", "passed_over", "changes"}


def test_libraries_wrappings_are_found() -> None:
    """What torch itself puts around a network: DataParallel, compile, averaged models, and all of them at once."""
    module = trained()
    shells = [nn.DataParallel(module), torch.compile(module), torch.optim.swa_utils.AveragedModel(module)]
    shells += [nn.DataParallel(torch.compile(module)), torch.compile(nn.DataParallel(module))]
    partly = trained()
    partly.conv = torch.compile(partly.conv)
    for shell in (*shells, partly):
        state = found(dict(shell.state_dict())).state
        assert all(torch.equal(state[n], t) for n, t in STATE.items())


def test_a_part_of_a_network_in_dataparallel_is_found() -> None:
    torch.manual_seed(0)
    network = models.alexnet(num_classes=3)
    wanted = {n: t.clone() for n, t in network.state_dict().items()}
    network.features = nn.DataParallel(network.features)
    result = found(dict(network.state_dict()), models.alexnet(num_classes=3))
    assert all(torch.equal(result.state[n], t) for n, t in wanted.items())
    assert result.reading.between == ("module",)


def head(classes: int, background: int = 0) -> dict[str, Any]:
    """A checkpoint with a head of other classes, whose row i has the value i."""
    values = torch.arange(classes, dtype=torch.float32)
    return {**STATE, "fc.weight": values[:, None].expand(-1, 4).clone(), "fc.bias": values}


def test_a_head_with_a_background_class_is_taken_by_its_rows() -> None:
    said = line(head(6))
    assert "Expected fc.weight of the checkpoint to be of shape (5, 4), got (6, 4), and fc.bias (6,) for (5,)" in said
    assert "if the first one is the background, give --weights x.pth,classes=1:6" in said
    result = found(head(6), selection=Selection(rows=rows("1:6")))
    assert result.state["fc.bias"].tolist() == [1, 2, 3, 4, 5]
    assert result.reading.changes == ("classes 1:6 of 6 taken of fc.weight, fc.bias",)


def test_a_larger_head_is_taken_by_a_list_of_rows(tmp_path: Any) -> None:
    said = line(head(21))
    assert said.endswith("classes= with LIST, a text file with 5 row numbers from 0, or START:STOP")
    assert line(head(1000)).endswith("START:STOP. If the images are of ImageNet's classes, give --data imagenet:PATH")
    (tmp_path / "rows.txt").write_text("20\n3\n0\n7\n9\n")
    result = found(head(21), selection=Selection(rows=rows(str(tmp_path / "rows.txt"))))
    assert result.state["fc.bias"].tolist() == [20, 3, 0, 7, 9]
    assert "to be of shape" in line(head(21), selection=Selection(rows=rows("0:4")))
    assert "to be of shape" in line(head(20), selection=Selection(rows=rows(str(tmp_path / "rows.txt"))))


def test_a_smaller_head_is_one_of_other_data() -> None:
    assert "The file has 3 classes, the data set 5" in line(head(3))


def test_rows_of_something_else_than_classes_are_not_taken() -> None:
    """All tensors with another number of rows must be of one head."""
    content = {**head(6), "conv.bias": torch.zeros(7)}
    assert "conv.bias of the checkpoint to be of shape (4,), got (7,)" in line(
        content, selection=Selection(rows=rows("1:6"))
    )


def test_the_names_that_are_there_are_said() -> None:
    other = models.resnet18(num_classes=5).state_dict()
    said = line({"state_dict": {f"module.{n}": t for n, t in other.items()}, "epoch": 3})
    assert "got one without conv.weight and 5 more, with conv1.weight, bn1.weight, bn1.bias and 117 more" in said
    assert "to be a dictionary of tensors, got one with epoch, args" in line({"epoch": 3, "args": None})


@pytest.mark.parametrize("dtype", [torch.int8, torch.int64, torch.complex64])
def test_numbers_of_another_kind_are_refused(dtype: torch.dtype) -> None:
    said = line({**STATE, "conv.bias": torch.ones(4, dtype=dtype)})
    assert f"Expected conv.bias of the checkpoint to be of type float32, got {str(dtype)[6:]}" in said


def test_a_number_beyond_the_networks_type_is_refused() -> None:
    assert "to be in the range of float32, got a larger float64" in line(
        {**STATE, "conv.bias": torch.tensor([1e300] * 4, dtype=torch.float64)}
    )


def test_small_types_are_read_without_loss() -> None:
    numbers = torch.tensor(np.arange(-4, 4), dtype=torch.float32)[:4]
    for dtype in (torch.bfloat16, torch.float8_e4m3fn):
        result = found({**STATE, "conv.bias": numbers.to(dtype)})
        assert torch.equal(result.state["conv.bias"], numbers)
        assert "read into float32 (1 tensor)" in str(result.reading)


def renamed(tensors: Any, module: Any) -> Any:
    """A library's conversion: old names had ``head`` for ``fc``, and an auxiliary head."""
    assert isinstance(module, Net)
    return {n.replace("head", "fc"): tensors.pop(n) for n in list(tensors) if not n.startswith("aux")}


def test_a_librarys_conversion_serves_files_too() -> None:
    old = {n.replace("fc", "head"): t for n, t in STATE.items()}
    assert "without fc.weight" in line(old)
    for content, place in (
        (old, ""),
        ({"model": {f"module.{n}": t for n, t in old.items()}, "epoch": 4}, "model.module"),
        ({**old, "aux.weight": torch.zeros(3)}, ""),
    ):
        result = found(content, adapt=renamed)
        assert all(torch.equal(result.state[n], t) for n, t in STATE.items())
        assert result.reading.taken_from == place
        assert "converted by the network's own rules" in str(result.reading)
        assert ("aux.weight left out or changed" in str(result.reading)) == ("aux.weight" in content)
    assert "head.weight" in old, "the conversion must not empty the content"


def test_a_conversion_that_fails_or_does_not_fit_changes_no_error() -> None:
    def broken(tensors: Any, module: Any) -> Any:
        raise KeyError("head")

    for adapt in (broken, lambda tensors, module: {}, lambda tensors, module: {**STATE, "more": torch.zeros(1)}):
        assert "got one without fc.weight" in line({n: t for n, t in STATE.items() if n != "fc.weight"}, adapt=adapt)


def test_weights_and_average_in_a_librarys_names_need_a_choice() -> None:
    old = {n.replace("fc", "head"): t for n, t in STATE.items()}
    content = {"model": old, "model_ema": {n: t + 1 if t.is_floating_point() else t for n, t in old.items()}}
    assert "different tensors in model and model_ema" in line(content, adapt=renamed)
    result = found(content, selection=Selection("model_ema"), adapt=renamed)
    assert torch.equal(result.state["fc.bias"], STATE["fc.bias"] + 1)
    assert result.reading.other == ("model",)
