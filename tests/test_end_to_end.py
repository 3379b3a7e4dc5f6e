"""Tests of a real network on JPEG files through a whole run, compared with torchvision pipelines and plain loops."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from reference import pipeline, windows
from torch import nn
from torchvision import models, transforms

from benchsuite import load_plugins
from benchsuite.evaluation.question import Member, Question, RunRequest
from benchsuite.evaluator import Answer, OpenNetwork, Settings, evaluate
from benchsuite.models.device import Compute
from benchsuite.progress import Progress
from benchsuite.runs.plan import plan
from benchsuite.runs.run import _open
from benchsuite.specs.view import View
from benchsuite.storage.keys import chunk_key, view_key

SIZES = ((300, 400), (231, 500), (401, 259), (224, 224), (181, 240), (97, 331))
CATALOG = load_plugins(entry_points=False)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@pytest.fixture(scope="module")
def module() -> Any:
    """ResNet-18 with random normalisation statistics, so that positions and images differ."""
    torch.manual_seed(0)
    made = models.resnet18(num_classes=3)
    for layer in made.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.running_mean, std=0.1)
            nn.init.uniform_(layer.running_var, 0.5, 1.5)
    return made.eval()


@pytest.fixture(scope="module")
def files(module: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six JPEG files of odd sizes in three classes, and the weights."""
    root = tmp_path_factory.mktemp("files")
    for i, (height, width) in enumerate(SIZES):
        path = root / "images" / "abc"[i % 3] / f"{i}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        pipeline.noise(height, width).save(path, quality=95)
    torch.save(module.state_dict(), root / "net.pth")
    return root


class Walked:
    """One evaluation: its answers, the logits of its chunks, and the number of computed views."""

    def __init__(self, files: Path, *protocols: str, batch_size: int = 4, shuffle: bool = False) -> None:
        data, weights = f"folder:{files / 'images'}", str(files / "net.pth")
        self.questions = plan(RunRequest(("resnet18",), protocols, data=data, weights=weights, fresh=True), CATALOG)
        if shuffle:
            self.questions = [_shuffled(q) for q in self.questions]
        self.forwarded = 0
        settings = Settings(batch_size, workers=0, fresh=True)
        self.answers: list[Answer] = list(evaluate(self.questions, self.open, settings, lambda _: None))
        self._logits = {q.run_id: self._stored(q) for q in self.questions}

    def open(self, member: Member, views: tuple[View, ...]) -> OpenNetwork:
        self.opened = _open(self.questions[0].images, member, views, Compute(), Progress())
        predict = self.opened.predict

        def counting(pixels: Any, flips: Any, view: View) -> Any:
            self.forwarded += len(flips)
            return predict(pixels, flips, view)

        self.opened.predict = counting
        return self.opened

    def logits(self, question: Question) -> Any:
        """(n, v, c) of the views of a question, as they were on disk after this evaluation."""
        return self._logits[question.run_id]

    def _stored(self, question: Question) -> Any:
        chunk = chunk_key(question.samples, question.split)
        views = question.members[0].views
        parts = [self.opened.store.read(view_key(v), chunk) for v in views]
        return np.stack([p[0] for p in parts if p is not None], axis=1)


@pytest.fixture(scope="module")
def walked(files: Path) -> Callable[..., Walked]:
    """``Walked`` over the files; each is computed once for all tests."""
    return functools.cache(functools.partial(Walked, files))


def _shuffled(question: Question) -> Question:
    order = random.Random(1).sample(range(len(question.samples)), len(question.samples))
    return dataclasses.replace(question, samples=tuple(question.samples[i] for i in order))


def images(question: Question) -> list[Any]:
    return [Image.open(s.where).convert("RGB") for s in question.samples]


def close(got: Any, wanted: Any) -> None:
    """Asserts equality to 1e-5, and that not all images are equal."""
    wanted = np.asarray(wanted)
    assert got.shape == wanted.shape
    assert np.ptp(wanted, axis=0).min() > 1e-2
    assert np.abs(got - wanted).max() <= 1e-5


normalised = transforms.Compose([transforms.ToTensor(), transforms.Normalize(MEAN, STD)])


@torch.inference_mode()
def test_1crop_logits_are_those_of_torchvisions_transforms(walked: Callable[..., Walked], module: Any) -> None:
    walk = walked("1crop")
    (question,) = walk.questions
    twin = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(224), normalised])
    wanted = [module(twin(image)[None]).numpy() for image in images(question)]
    close(walk.logits(question), wanted)


@torch.inference_mode()
def test_10crop_logits_are_those_of_torchvisions_ten_crop(walked: Callable[..., Walked], module: Any) -> None:
    walk = walked("10crop")
    (question,) = walk.questions
    twin = transforms.Compose([transforms.Resize(256), transforms.TenCrop(224)])
    wanted = [module(torch.stack([normalised(crop) for crop in twin(image)])).numpy() for image in images(question)]
    close(walk.logits(question), wanted)
    scores = torch.tensor(np.stack(wanted)).double().softmax(-1).mean(1)
    labels = torch.tensor([s.label for s in question.samples])
    assert walk.answers[0].counts["top1_errors"] == int((scores.argmax(1) != labels).sum())
    true = scores[torch.arange(len(labels)), labels]
    np.testing.assert_allclose(walk.answers[0].columns["probability_true"], true, atol=1e-5)


def over_windows(module: Any, image: Any, short: int, flip: bool) -> Any:
    """The spatial mean of the scores of all 7 x 7 windows of the feature map, one window at a time. -> (c,)."""
    resized = transforms.Resize(short)(image)
    x = normalised(resized.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if flip else resized)[None]
    body = nn.Sequential(*list(module.children())[:-2])
    scores = windows.score_map(body(x)[0], windows.averaged(module.fc), (7, 7))
    return scores.double().mean(0).numpy()


@torch.inference_mode()
@pytest.mark.parametrize(
    ("protocol", "scales", "flips"),
    [
        ("fullconv", (256,), (False, True)),
        ("fullconv:resize=224,flip=false", (224,), (False,)),
        ("multiscale:scales=224+256+320", (224, 256, 320), (False, True)),
        ("multiscale:scales=230+301,flip=false", (230, 301), (False,)),
    ],
)
def test_dense_logits_are_those_of_a_loop_over_windows(
    files: Path, module: Any, protocol: str, scales: tuple[int, ...], flips: tuple[bool, ...]
) -> None:
    walked = Walked(files, protocol)
    (question,) = walked.questions
    wanted = [
        [over_windows(module, image, short, flip) for short in scales for flip in flips] for image in images(question)
    ]
    close(walked.logits(question), wanted)
    scores = torch.tensor(np.array(wanted)).softmax(-1).mean(1)
    labels = torch.tensor([s.label for s in question.samples])
    true = scores[torch.arange(len(labels)), labels]
    np.testing.assert_allclose(walked.answers[0].columns["probability_true"], true, atol=1e-5)


PROTOCOLS = ("1crop", "10crop", "multiscale:scales=224+256")


def test_neither_batch_size_nor_order_nor_company_changes_a_count(walked: Callable[..., Walked]) -> None:
    alone = [walked(protocol) for protocol in PROTOCOLS]
    wanted = [w.answers[0].counts for w in alone]
    for other in (*(walked(*PROTOCOLS, batch_size=size) for size in (1, 64)), walked(*PROTOCOLS, shuffle=True)):
        assert [a.counts for a in other.answers] == wanted
        for question, one in zip(other.questions, alone, strict=True):
            first = {s.id: row for s, row in zip(one.questions[0].samples, one.logits(one.questions[0]), strict=True)}
            for sample, row in zip(question.samples, other.logits(question), strict=True):
                np.testing.assert_allclose(row, first[sample.id], atol=1e-5)


def test_three_protocols_in_one_run_forward_each_distinct_view_once(walked: Callable[..., Walked]) -> None:
    together, alone = walked(*PROTOCOLS, batch_size=64), [walked(protocol) for protocol in PROTOCOLS]
    distinct = {v for q in together.questions for m in q.members for v in m.views}
    assert len(distinct) == 10 + 4
    assert together.forwarded == len(SIZES) * len(distinct)
    assert sum(w.forwarded for w in alone) == len(SIZES) * (1 + 10 + 4)
    assert [a.counts for a in together.answers] == [w.answers[0].counts for w in alone]
