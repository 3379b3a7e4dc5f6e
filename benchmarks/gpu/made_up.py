"""What the check evaluates: pictures that are made up, a residual network, and a plugin with both."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchsuite import Architecture, Dataset, Preprocess, Sample, Split, center, decode, hookimpl
from benchsuite.data.resize import resize
from benchsuite.specs.view import resized_shape

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

USUAL = "500x375 " * 34 + "500x333 " * 16 + "375x500 " * 12 + "333x500 " * 8 + "500x334 " * 6 + "600x450 " * 3
RARE = "768x512 845x563 430x299 800x600 445x303 500x413 500x376 500x335 500x274 136x150 368x382 300x297 350x236 "
RARE += "500x357 250x216 500x400 482x326 500x338 500x320 500x416 350x240 413x580 374x500 357x500 1024x768 400x400 "
RARE += "909x768 174x223 900x687 465x500 500x318 400x300 343x500 500x373 500x556 423x441 640x480 500x323 106x150 "
RARE += "346x229 200x156"
IMAGENET = tuple((int(w), int(h)) for w, _, h in (one.partition("x") for one in (USUAL + RARE).split()))
"""Width and height of images, about as frequent as among those of ImageNet."""


@dataclass(frozen=True)
class Sizes:
    """How much is computed. ``pictures`` are different; ``samples`` of a data set are these again and again.

    ``few`` images are also computed on the CPU; ``batch`` views fill the device; ``steps`` are steps of a training.
    """

    name: str
    layers: tuple[int, ...]
    width: int
    classes: int
    resize: int
    crop: int
    shapes: tuple[tuple[int, int], ...]
    pictures: int
    samples: int
    few: int
    batch: int
    steps: int

    @property
    def preprocess(self) -> Preprocess:
        """As of ImageNet's networks."""
        return Preprocess(self.resize, self.crop, "bilinear", MEAN, STD)


CARD = Sizes("resnet50", (3, 4, 6, 3), 64, 1000, 256, 224, IMAGENET, 256, 32768, 128, 512, 12)
SMALL = Sizes("a small residual network", (1, 1), 8, 10, 36, 32, ((50, 38), (38, 50), (44, 40)), 24, 600, 24, 16, 4)


def work() -> Path:
    """The folder of this check."""
    return Path(os.environ["GPU_CHECK_WORK"])


def sizes() -> Sizes:
    """The sizes of this check, also in processes that it starts."""
    return SMALL if os.environ.get("GPU_CHECK_SMALL") else CARD


def picture(number: int, width: int, height: int) -> Any:
    """uint8 (height, width, 3): waves of several lengths, an edge and noise; the same for the same number."""
    chance = np.random.default_rng(number)
    y, x = np.arange(height)[:, None] / height, np.arange(width)[None, :] / width
    made = np.empty((height, width, 3), dtype=np.float32)
    lengths = np.array([1, 3, 9, 27])
    for channel in range(3):
        down, right, size = chance.normal(0, lengths), chance.normal(0, lengths), chance.uniform(0, 36, 4)
        waves = np.cos(6.3 * down * y + chance.uniform(0, 6, 4)) * size, np.cos(6.3 * right[:, None] * x)
        made[..., channel] = waves[0].astype(np.float32) @ waves[1].astype(np.float32) + chance.uniform(70, 180)
    top, left = int(chance.integers(0, height)), int(chance.integers(0, width))
    made[top : top + height // 3, left : left + width // 3] += chance.normal(0, 50, 3)
    grain = chance.normal(0, 14, (64, 64, 3)).astype(np.float32)
    made += np.tile(grain, (-(-height // 64), -(-width // 64), 1))[:height, :width]
    return made.clip(0, 255).astype(np.uint8)


@functools.cache
def crops(count: int) -> Any:
    """uint8 (count, crop, crop, 3): made-up pictures that need no resize. The array is shared: not to be changed."""
    side = sizes().crop
    return np.stack([picture(1_000_000 + i, side, side) for i in range(count)])


@functools.cache
def stored(number: int) -> Any:
    """A picture from its file, which is read once."""
    return np.load(work() / "pictures" / f"{number}.npy")


def build(num_classes: int) -> Any:
    """A residual network of bottlenecks, with the stride in its 3x3 convolutions: ResNet-50 with the sizes ``CARD``."""
    from torch import nn

    how = sizes()

    def convolution(before: int, after: int, side: int, stride: int = 1) -> list[Any]:
        return [nn.Conv2d(before, after, side, stride, side // 2, bias=False), nn.BatchNorm2d(after)]

    class Block(nn.Module):
        def __init__(self, before: int, width: int, stride: int) -> None:
            super().__init__()
            first, second = convolution(before, width, 1), convolution(width, width, 3, stride)
            self.branch = nn.Sequential(*first, nn.ReLU(), *second, nn.ReLU(), *convolution(width, 4 * width, 1))
            nn.init.constant_(self.branch[-1].weight, 0.3)  # so that roundings do not grow from block to block
            same = before == 4 * width and stride == 1
            self.other = nn.Identity() if same else nn.Sequential(*convolution(before, 4 * width, 1, stride))
            self.last = nn.ReLU()

        def forward(self, x: Any) -> Any:
            return self.last(self.branch(x) + self.other(x))

    parts, before = [*convolution(3, how.width, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)], how.width
    for i, count in enumerate(how.layers):
        for j in range(count):
            parts.append(Block(before, how.width * 2**i, 2 if i and not j else 1))
            before = 4 * how.width * 2**i
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, num_classes))


def prepare(device: str) -> str:
    """Writes the pictures, the weights and the labels; returns what was made in words.

    The normalisations of the network fit the pictures, and its logits spread. Labels are its answers for seven in ten.
    """
    import torch

    how, folder = sizes(), work() / "pictures"
    folder.mkdir(exist_ok=True)

    def store(i: int) -> None:
        np.save(folder / f"{i}.npy", picture(i, *how.shapes[i * 7 % len(how.shapes)]))

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(store, range(how.pictures)))
    torch.manual_seed(0)
    module = build(how.classes).to(device)
    for layer in module.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # the mean over all batches

    def normalised(pixels: Any) -> Any:
        x = torch.from_numpy(pixels).to(device).permute(0, 3, 1, 2).float() / 255
        return (x - torch.tensor(MEAN, device=device).view(3, 1, 1)) / torch.tensor(STD, device=device).view(3, 1, 1)

    with torch.no_grad():
        module.train()(normalised(crops(min(how.few, 64))))
        module.eval()
        features = module[:-1](normalised(crops(min(how.few, 64))))
        weight = torch.randn(how.classes, features.shape[1], device=device) / features.std(0).clamp_min(1e-3)
        weight *= 3.0 / ((features - features.mean(0)) @ weight.T).std()
        module[-1].weight.copy_(weight)
        module[-1].bias.copy_(-(weight @ features.mean(0)))
        order = []
        for i in range(how.pictures):
            whole = stored(i)
            side = min(*whole.shape[:2], how.crop)
            order.append(module(normalised(whole[None, :side, :side].copy())).argsort(1, descending=True)[0].tolist())
    labels = [ranked[0 if i % 10 < 7 else 1 if i % 10 < 9 else 5] for i, ranked in enumerate(order)]
    (work() / "labels.json").write_text(json.dumps(labels), encoding="utf-8")
    torch.save({name: tensor.cpu() for name, tensor in module.state_dict().items()}, work() / "weights.pth")
    count = sum(p.numel() for p in module.parameters())
    return f"{how.pictures} pictures; {how.name}, {count:,} parameters, {how.classes} classes"


def write_files() -> int:
    """Writes the pictures as JPEG files, which needs Pillow; returns their mean size in bytes."""
    from PIL import Image

    paths = [work() / "pictures" / f"{i}.jpg" for i in range(sizes().pictures)]
    for i, path in enumerate(paths):
        if path.exists():
            break
        Image.fromarray(stored(i)).save(path, quality=93)
    return sum(path.stat().st_size for path in paths) // len(paths)


def open_pictures(path: str | None, split: str) -> Split:
    """The pictures from memory; with ``made-up:resized`` at their short side, with ``made-up:files`` as JPEG files."""
    labels, how = json.loads((work() / "labels.json").read_text(encoding="utf-8")), sizes()
    read = {"files": from_file, "resized": from_resized}.get(path or "", from_memory)
    samples, suffix = list[Sample](), ".jpg" if path == "files" else ".npy"
    for i in range(how.samples):
        number = i % how.pictures
        samples.append(Sample(f"{i:06}", labels[number], str(work() / "pictures" / f"{number}{suffix}"), "1"))
    return Split("made-up", tuple(samples), tuple(f"class {i}" for i in range(how.classes)), mirror=True, read=read)


def from_file(sample: Sample) -> Any:
    """The picture of a sample, decoded."""
    return decode(Path(sample.where))


def from_memory(sample: Sample) -> Any:
    """The picture of a sample, as if it were decoded already."""
    return stored(int(Path(sample.where).stem))


@functools.cache
def resized(number: int) -> Any:
    """A picture at the short side of the network, as a prepared file holds it."""
    picture, how = stored(number), center(sizes().preprocess)
    return resize(picture, *resized_shape(*picture.shape[:2], how), how)


def from_resized(sample: Sample) -> Any:
    """The picture of a sample, as if it were decoded and resized already."""
    return resized(int(Path(sample.where).stem))


@hookimpl
def benchsuite_architectures() -> Sequence[Architecture]:
    """``made-up-net``."""
    return (Architecture("made-up-net", build, sizes().preprocess, note="The network of benchmarks/gpu."),)


@hookimpl
def benchsuite_datasets() -> Sequence[Dataset]:
    """``made-up``, ``made-up:resized`` and ``made-up:files``."""
    how = "The pictures of benchmarks/gpu."
    return (Dataset("made-up", open_pictures, mirror=True, note=how, source="made up", path="optional"),)
