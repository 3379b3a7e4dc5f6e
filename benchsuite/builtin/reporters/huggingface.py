"""Reporters for the Hugging Face hub: metadata of a model card (``model-index``), and files of ``.eval_results``.

The fields are those of huggingface/hub-docs (modelcard.md, docs/hub/eval-results.md) and of ``huggingface_hub``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from benchsuite import BadParameter, DataError, FinishedRun, Rate, Reporter, expected, hookimpl

Scale = Literal["fraction", "percent"]


@dataclass(frozen=True, slots=True)
class HubDataset:
    """A data set as the hub has it: its id, its older id in model cards, a title, and a split with so many images."""

    id: str
    card: str
    title: str
    split: str
    images: int


IMAGENET = HubDataset("ILSVRC/imagenet-1k", "imagenet-1k", "ImageNet-1k", "validation", 50_000)
HUB = {
    "imagenet": IMAGENET,
    "imagenet-real": IMAGENET,
    "cifar10": HubDataset("uoft-cs/cifar10", "cifar10", "CIFAR-10", "test", 10_000),
    "cifar100": HubDataset("uoft-cs/cifar100", "cifar100", "CIFAR-100", "test", 10_000),
    "mnist": HubDataset("ylecun/mnist", "mnist", "MNIST", "test", 10_000),
    "fashion-mnist": HubDataset("zalando-datasets/fashion_mnist", "fashion_mnist", "Fashion-MNIST", "test", 10_000),
    "svhn": HubDataset("ufldl-stanford/svhn", "svhn", "SVHN", "test", 26_032),
}
"""Data sets by their name in benchsuite. Others have no id here: a model card names them as benchsuite does."""

METRICS = {
    "top1": ("accuracy", "Top-1 accuracy"),
    "top5": ("top_5_accuracy", "Top-5 accuracy"),
    "real": ("real_accuracy", "ReaL accuracy"),
}
"""Type and name of each rate. Only top-1 has the type ``accuracy``, so that no reader takes another one for it."""

HUB_ID = re.compile(r"hf:([\w.-]+/[\w.-]+)")


def model_index(runs: Sequence[FinishedRun], *, name: str = "", source: str = "", scale: Scale = "fraction") -> str:
    """The front matter of a model card, with an entry for each network and its weights.

    ``name`` is the model's name on the hub, by default those of network and weights. ``source`` is a URL with more
    about the evaluation. Raises ``BadParameter`` for one name for several networks.
    """
    networks = _by_network(runs)
    if name and len(networks) > 1:
        raise BadParameter(expected("name", "given for one network", f"{len(networks)}: {', '.join(networks)}"))
    entries = [{"name": name or own, "results": _results(of, source, scale)} for own, of in networks.items()]
    return f"---\n{_yaml({'model-index': entries})}---\n"


def eval_results(
    runs: Sequence[FinishedRun], *, task: str = "default", source: str = "", scale: Scale = "fraction"
) -> str:
    """A file of ``.eval_results``: the top-1 accuracy of each run on a whole data set of the hub.

    ``task`` is the id of the task in the data set's eval.yaml. Raises ``BadParameter`` for runs of several networks,
    and ``DataError`` for a run on other images than a whole data set of the hub.
    """
    networks = _by_network(runs)
    if len(networks) > 1:
        got = f"{len(networks)}: {', '.join(networks)}"
        raise BadParameter(expected("the runs of a file of .eval_results", "those of one network", got))
    return _yaml([_entry(run, task, source, scale) for run in runs])


def _by_network(runs: Sequence[FinishedRun]) -> dict[str, list[FinishedRun]]:
    networks: dict[str, list[FinishedRun]] = {}
    for run in runs:
        networks.setdefault(_network(run), []).append(run)
    return networks


def _network(run: FinishedRun) -> str:
    return f"{run.row['architecture']} {run.row['weights']}"


def _results(runs: Sequence[FinishedRun], source: str, scale: Scale) -> list[dict[str, Any]]:
    """One result for each data set, which holds the metrics of all runs on it."""
    results: dict[str, dict[str, Any]] = {}
    for run in runs:
        data = _dataset(run)
        new = {"task": {"type": "image-classification", "name": "Image Classification"}, "dataset": data, "metrics": []}
        result = results.setdefault(data["type"], new)
        result["metrics"] += [_metric(run, rate, scale) for rate in run.rates]
        if source:
            result["source"] = {"url": source, "name": f"benchsuite {run.manifest['benchsuite']}"}
    return list(results.values())


def _dataset(run: FinishedRun) -> dict[str, str]:
    own = str(run.row["dataset"])
    known, given = HUB.get(own), HUB_ID.fullmatch(own)
    if known is not None:
        return {"name": known.title, "type": known.card, "split": known.split}
    named = given[1] if given else own.partition(":")[0]
    return {"name": named, "type": named}


def _metric(run: FinishedRun, rate: Rate, scale: Scale) -> dict[str, Any]:
    kind, title = METRICS[rate.name]
    part = f", {_images(run)}" if _part(run) else ""
    low, high = rate.interval
    whole = _whole(scale)
    facts = {
        "protocol": run.row["protocol"],
        "views": run.row["views"],
        "errors": rate.errors,
        "images": rate.n,
        "interval_95": [whole * (1 - high), whole * (1 - low)],
        "weights": run.row["weights"],
        **({"preprocessing": prepared} if (prepared := _preprocessing(run)) else {}),
        "precision": run.row["precision"],
        "loader": run.row["loader"],
        "benchsuite": run.manifest["benchsuite"],
        "run_id": run.row["run_id"],
        "created": run.manifest["created"],
    }
    name = f"{title} ({run.row['protocol']}{part})"
    return {"type": kind, "value": _accuracy(rate, scale), "name": name, "args": facts}


def _entry(run: FinishedRun, task: str, source: str, scale: Scale) -> dict[str, Any]:
    known, where = HUB.get(str(run.row["dataset"])), str(run.row["run_id"])
    if known is None:
        raise DataError(expected("the data set", f"one of {', '.join(HUB)}", run.row["dataset"], where))
    if run.row["n"] != known.images:
        rule = f"all {known.images} of {known.id}, as leaderboards compare whole data sets"
        raise DataError(expected("the images", rule, run.row["n"], where))
    if any("perturbation" in view for view in run.manifest["views"]):
        raise DataError(expected("the pictures", "unchanged, as leaderboards compare them", run.row["protocol"], where))
    top1 = run.rates[0]
    low, high = top1.interval
    whole = _whole(scale)
    notes = (
        f"protocol {run.row['protocol']}",
        f"{top1.errors} errors of {top1.n} images",
        f"95 % interval {whole * (1 - high)!r} to {whole * (1 - low)!r}",
        _network(run),
        *filter(None, (_preprocessing(run),)),
        f"benchsuite {run.manifest['benchsuite']}, run {where}",
    )
    return {
        "dataset": {"id": known.id, "task_id": task},
        "value": _accuracy(top1, scale),
        "date": run.manifest["created"],
        **({"source": {"url": source, "name": f"benchsuite {run.manifest['benchsuite']}"}} if source else {}),
        "notes": "; ".join(notes),
    }


def _accuracy(rate: Rate, scale: Scale) -> float:
    """The float next to the exact ratio: it is rounded once."""
    return float(Fraction(_whole(scale) * (rate.n - rate.errors), rate.n))


def _whole(scale: Scale) -> int:
    return 100 if scale == "percent" else 1


def _part(run: FinishedRun) -> bool:
    """Whether fewer images were evaluated than the data set has, as far as that is known."""
    known = HUB.get(str(run.row["dataset"]))
    return bool(run.row["n"] < (known.images if known else run.row["of"]))


def _images(run: FinishedRun) -> str:
    known = HUB.get(str(run.row["dataset"]))
    return f"{run.row['n']} of {known.images if known else run.row['of']} images"


def _preprocessing(run: FinishedRun) -> str:
    return "; and ".join(run.row.get("preprocessing", ()))


def _yaml(value: Any) -> str:
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=1_000_000))


@hookimpl
def benchsuite_reporters() -> tuple[Reporter, ...]:
    """``model-index`` and ``eval-results``."""
    return (
        Reporter("model-index", None, "Metadata of a Hugging Face model card.", export=model_index),
        Reporter(
            "eval-results", None, "A file of .eval_results in a model of the Hugging Face hub.", export=eval_results
        ),
    )
