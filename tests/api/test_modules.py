"""Tests of ``benchsuite.evaluate`` with a torch module: it is unchanged, identified by its state, never guessed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from recorded_progress import RecordedProgress
from torch import nn
from toys import LOGITS_1CROP, PREPROCESS, TOP1_ERRORS, ToyPlugin, build_toy, load_identity

import benchsuite
from benchsuite import BenchsuiteError, DataError, Dataset, Preprocess, hookimpl
from benchsuite.api.evaluation import EvaluateOptions

PLAIN = Preprocess(8, 8, "bilinear", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


class Others:
    """The digits under a name with a usual preprocessing, as ``cifar10`` has one."""

    @hookimpl
    def benchsuite_datasets(self) -> tuple[Dataset, ...]:
        from toys import open_toy

        return (Dataset("usual", open_toy, mirror=True, note="n", source="s", path="none", preprocess=PREPROCESS),)


CATALOG = benchsuite.load_plugins(entry_points=False, extra=[ToyPlugin(), Others()])
HERE: EvaluateOptions = {
    "catalog": CATALOG,
    "data": "toy",
    "device": "cpu",
    "preprocess": PREPROCESS,
    "progress": False,
}


def network() -> Any:
    """The toy network with the weights ``identity``."""
    module = build_toy(2)
    module.load_state_dict(load_identity())
    return module


class Net(nn.Module):
    """A network with every kind of state that an evaluation could change: statistics, a mode, gradients."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.drop, self.head = (
            nn.Conv2d(3, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.Dropout(0.5),
            nn.Linear(4, 2),
        )

    def forward(self, x: Any) -> Any:
        return self.head(self.drop(self.norm(self.conv(x)).mean((2, 3))))


@pytest.mark.parametrize("protocol", TOP1_ERRORS)
def test_a_module_gives_the_answers_of_the_same_network_by_name(protocol: str) -> None:
    run = benchsuite.evaluate(network(), protocol, **HERE)
    assert run.top1_errors == TOP1_ERRORS[protocol]


def test_its_logits_are_those_of_its_forward() -> None:
    frame = benchsuite.evaluate(network(), **HERE).predictions.set_index("id")
    for name, logits in LOGITS_1CROP.items():
        best = torch.tensor(logits).softmax(0).max().item()
        assert frame.loc[name, "probability5"][0] == pytest.approx(best, abs=1e-6)


@pytest.mark.parametrize("protocol", ["1crop", "10crop", "fgsm:eps=8/255"])
@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_network_that_gives_no_numbers_is_named_with_the_image_and_leaves_no_run(
    protocol: str, bad: float, tmp_path: Path
) -> None:
    """The logit of red is spoiled where it is below 0.5 and above 0.3, which is for image d alone."""
    module = network()
    plain = module.forward
    module.forward = lambda x: torch.where(((plain(x) - 0.4).abs() < 0.1)[:, :1], bad, plain(x))
    with pytest.raises(BenchsuiteError) as refused:
        benchsuite.evaluate(module, protocol, results=tmp_path, name="mine", **HERE)
    said = rf"Expected the logits of mine-[0-9a-f]{{8}}, weights given, to be finite, got {bad} for class 0 \(image d\)"
    assert re.fullmatch(said, str(refused.value))
    assert not list(tmp_path.rglob("manifest.json"))


def test_the_module_is_left_unchanged() -> None:
    module = Net().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    benchsuite.evaluate(module, ["1crop", "fgsm:eps=8/255"], **HERE)
    assert module.training
    assert all(p.requires_grad and p.grad is None for p in module.parameters())
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


def test_another_state_is_another_run_and_the_same_state_is_the_same() -> None:
    torch.manual_seed(0)
    first, other = Net(), Net()
    runs = [benchsuite.evaluate(module, **HERE) for module in (first, other, first)]
    assert runs[0].run_id == runs[2].run_id != runs[1].run_id
    assert runs[0].manifest["weights"]["digest"] != runs[1].manifest["weights"]["digest"]
    assert runs[0].architecture.startswith("Net-")


def test_a_module_is_computed_each_time_as_its_state_does_not_tell_its_code() -> None:
    module = network()
    assert benchsuite.evaluate(module, **HERE).top1_errors == TOP1_ERRORS["1crop"]
    module.forward = lambda x: torch.stack([x.new_zeros(len(x)), x.new_ones(len(x))], 1)  # type: ignore[method-assign]
    run = benchsuite.evaluate(module, **HERE)
    assert run.top1_errors == 4
    assert not run.row["cached"]


def test_another_forward_with_the_same_state_is_another_run() -> None:
    torch.manual_seed(0)
    plain = Net()

    class Twin(Net):
        def forward(self, x: Any) -> Any:
            return -super().forward(x)

    twin = Twin()
    twin.load_state_dict(plain.state_dict())
    first, second = (benchsuite.evaluate(module, name="net", **HERE) for module in (plain, twin))
    assert first.architecture == second.architecture
    assert first.run_id != second.run_id


def test_the_usual_preprocessing_of_the_data_set_is_said_with_the_result() -> None:
    progress = RecordedProgress()
    run = benchsuite.evaluate(network(), **(HERE | {"data": "usual", "preprocess": None, "progress": progress}))
    (note,) = (n for n in progress.notes if "preprocess=" in n)
    assert "it gets the usual one of usual: short side 5, crop 4, bilinear" in note
    assert run.manifest["architecture"]["note"].endswith("preprocessing: the usual one of usual")
    assert run.manifest["architecture"]["owner"] == "a module in Python"


def test_an_ensemble_of_modules_is_one_run() -> None:
    torch.manual_seed(0)
    (run,) = benchsuite.evaluate([network(), Net()], ["ensemble"], **HERE)
    assert len(run.manifest["members"]) == 2


def test_the_command_of_its_run_says_that_only_python_can_repeat_it() -> None:
    run = benchsuite.evaluate(network(), name="mine", **HERE)
    assert run.manifest["command"].startswith("benchsuite.evaluate([mine-")


@pytest.mark.parametrize(
    ("module", "options", "said"),
    [
        (
            network,
            {"preprocess": None},
            "Expected preprocess to be given for a module, as toy has no usual one, got none",
        ),
        (network, {"preprocess": "usual"}, "Expected preprocess to be a benchsuite.Preprocess, got usual"),
        (network, {"weights": "random"}, "Expected weights to be left out for a module, which has its own, got random"),
        (network, {"processes": 2}, "Expected processes to be 1 for a module, which other processes cannot import"),
        (
            network,
            {"place": "slurm"},
            "Expected place to be local for a module, which only this process has",
        ),
        (network, {"name": "my net"}, "Expected name to be letters, digits and . _ -, for a single module, got my net"),
        (lambda: [network(), "toy"], {}, "Expected the networks to be all names or all torch modules, got a str"),
        (lambda: [network(), network()], {}, "Expected each module to be given once, got one twice"),
        (lambda: nn.Linear(3, 2), {}, "Expected the crop for Linear to be a size that the network takes, got 4x4"),
        (
            lambda: nn.Conv2d(3, 2, 1),
            {},
            "Expected the output of Conv2d to be logits of shape (n, classes), got (1, 2,",
        ),
        (lambda: 3, {}, "got a int"),
    ],
)
def test_a_mistake_is_an_error_of_one_line(module: Any, options: dict[str, Any], said: str) -> None:
    given: dict[str, Any] = {**HERE, **options}
    with pytest.raises(BenchsuiteError) as caught:
        benchsuite.evaluate(module(), **given)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_wrong_number_of_classes_is_refused_before_any_image_is_read() -> None:
    with pytest.raises(DataError, match="Expected the number of classes of toy to be 3, that of Sequential-"):
        benchsuite.evaluate(build_toy(3), **HERE)


def test_a_module_that_cannot_be_copied_is_refused() -> None:
    module = network()
    module.lock = (x for x in ())
    with pytest.raises(
        BenchsuiteError, match=r"Expected a Sequential to be copied by copy\.deepcopy, got cannot pickle"
    ):
        benchsuite.evaluate(module, **HERE)
