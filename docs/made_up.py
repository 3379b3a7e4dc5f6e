"""What the commands of docs/examples.md run on: made-up pictures, and a small network instead of each that is named.

The pictures are two colours, those of their own class in the middle. The network's answer is the class whose colour is
nearest to the mean of its input, so crops give other answers than whole pictures, and rounding changes none.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tests" / "made"))

import copies  # noqa: E402  (it lies among what tests are made of)

from benchsuite.builtin.datasets import _synsets  # noqa: E402
from benchsuite.models import weights  # noqa: E402

COLOURS = np.array(
    [
        *((231, 27, 38), (33, 226, 29), (25, 41, 235), (229, 222, 43), (238, 31, 217)),
        *((35, 234, 219), (243, 238, 246), (19, 23, 14), (133, 121, 128), (241, 137, 16)),
    ],
    dtype=np.uint8,
)
IMAGES = 20
SETTINGS = """\
precision = "fp32"
"""
"""What would otherwise depend on the machine."""

MY_NET = """\
import torch


def build(num_classes):
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, num_classes))
"""
CROPS = """\
architectures = ["resnet50", "resnet101"]
protocols = ["1crop", "10crop", "multiscale:flip=false"]
data = ["imagenet:/data/imagenet"]
"""


def class_indices(classes: int) -> list[int]:
    """The classes that have a colour."""
    step = classes // len(COLOURS) if classes > len(COLOURS) else 1
    return list(range(0, classes, step))[: len(COLOURS)]


def picture(number: int, height: int, width: int) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A picture of class ``number % 10``: its colour in the middle, and for most pictures another one around it."""
    chance = np.random.default_rng(number)
    own, other = number % 10, (number * 3 + 1) % 10
    pixels = np.empty((height, width, 3), dtype=np.uint8)
    pixels[:] = COLOURS[other]
    y, x = (int(length * chance.uniform(0.02, 0.2)) for length in (height, width))
    pixels[y : height - y, x : width - x] = COLOURS[own]
    return pixels


def pictures(count: int) -> dict[str, tuple[str, bytes]]:
    """JPEG files by ImageNet's names, with the WordNet ids of their classes."""
    wnids = [_synsets.wnids()[i] for i in class_indices(1000)]
    found = {}
    for number in range(count):
        buffer = io.BytesIO()
        size = (80, 100) if number % 2 else (110, 90)
        Image.fromarray(picture(number, *size)).save(buffer, "JPEG", quality=95)
        found[copies.name(number + 1)] = wnids[number % 10], buffer.getvalue()
    return found


def write_data(root: Path) -> None:
    """The folders that the commands name, below ``root/data``."""
    data, many, wnids = root / "data", pictures(IMAGES), _synsets.wnids()
    copies.folders(data / "imagenet", many)
    copies.official(data, many)
    for number, (wnid, content) in enumerate(many.values()):
        v2 = data / "imagenetv2-matched-frequency-format-val" / str(wnids.index(wnid))
        copies.write(v2 / f"{number}.jpeg", content)
        for corruption in ("fog", "jpeg_compression"):
            severity = str(1 + number % 5)
            copies.write(data / "imagenet-c" / corruption / severity / wnid / f"{number}.JPEG", content)
    for (_, content), wnid in zip(itertools.cycle(many.values()), sorted(_synsets.subset("a"))):
        copies.write(data / "imagenet-a" / wnid / "0.jpg", content)
    rows = np.stack([picture(n, 32, 32).transpose(2, 0, 1).reshape(-1) for n in range(IMAGES)])
    batch = {b"data": rows, b"labels": [n % 10 for n in range(IMAGES)], b"filenames": [b"x"] * IMAGES}
    names = {b"label_names": [b"airplane"] * 10}
    for name, content in (("test_batch", batch), ("batches.meta", names)):
        copies.write(data / "cifar10" / "cifar-10-batches-py" / name, pickle.dumps(content))


def network(classes: int, preprocess: Any) -> Any:
    """Mean colour of the normalised input, by a map with about as many places as ResNet's; the nearest colour."""
    import torch

    first = torch.nn.Conv2d(3, 3, 3, padding=1)
    pool = torch.nn.AvgPool2d(preprocess.crop // 7)
    last = torch.nn.Linear(3, classes)
    colours = torch.from_numpy(COLOURS / 255).float()
    with torch.no_grad():
        first.weight.zero_()
        for channel in range(3):
            first.weight[channel, channel, 1, 1] = preprocess.std[channel]
        first.bias.copy_(torch.tensor(preprocess.mean))
        last.weight.zero_()
        last.bias.fill_(-100)
        last.weight[class_indices(classes)] = 2 * 20 * colours
        last.bias[class_indices(classes)] = torch.tensor([-20.0 * float((c * c).sum()) for c in COLOURS / 255])
    return torch.nn.Sequential(first, pool, torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), last)


@contextlib.contextmanager
def networks() -> Iterator[None]:
    """Every network with a name is the small one; those of files are themselves."""
    true = weights.load

    def load(architecture: Any, chosen: Any, classes: int) -> Any:
        if ".py" in architecture.name:
            return true(architecture, chosen, classes)
        many = chosen.declared.classes if chosen.declared else classes
        module = network(many, chosen.preprocess)
        for transform in chosen.transforms:
            weights._apply(transform, module, architecture, chosen.preprocess)
        return weights.LoadedWeights(module)

    with patch.object(weights, "load", load):
        yield


@contextlib.contextmanager
def world(root: Path) -> Iterator[None]:
    """Writes everything below ``root``, which is the working folder, and puts the network in the place of others."""
    import torch

    write_data(root)
    Path("my_net.py").write_text(MY_NET, encoding="utf-8")
    torch.save({"2.weight": torch.from_numpy(COLOURS / 255).float(), "2.bias": torch.arange(10) / 100}, "x.pth")
    Path("crops.toml").write_text(CROPS.replace("/data", f"{root}/data"), encoding="utf-8")
    copies.write(root / "config" / "config.toml", SETTINGS)
    with networks(), patch.dict(os.environ, {"BENCHSUITE_CONFIG": f"{root}/config"}):
        yield
