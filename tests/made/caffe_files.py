"""Writes files of Caffe, byte by byte, without the package that reads them: layers, weights, a mean image.

A layer is a dictionary: ``name``, ``type``, ``bottom``, ``top``, ``blobs`` (arrays), and ``settings`` as field numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

PARAMETERS = {"Convolution": 106, "InnerProduct": 117, "Pooling": 121, "BatchNorm": 139}
"""The number of the field that holds the settings of a layer, by its type."""

PAD, KERNEL, GROUP, STRIDE = 3, 4, 5, 6
POOL, POOL_KERNEL, POOL_STRIDE, POOL_PAD = 1, 2, 3, 4
AVERAGE, EPS = 1, 3


def varint(value: int) -> bytes:
    out = bytearray()
    while True:
        value, low = value >> 7, value & 127
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def field(number: int, value: Any) -> bytes:
    """One field: a whole number, a float, or bytes."""
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def blob(array: Any, *, legacy: bool = False, double: bool = False) -> bytes:
    """A blob with its shape, or with the four sides of older files."""
    array = np.asarray(array)
    if legacy:
        sides = (*[1] * (4 - array.ndim), *array.shape)
        out = b"".join(field(i + 1, side) for i, side in enumerate(sides))
    else:
        out = field(7, field(1, b"".join(varint(side) for side in array.shape)))
    kind = "<f8" if double else "<f4"
    return out + field(8 if double else 5, array.astype(kind).tobytes())


def layer(made: Mapping[str, Any], **how: Any) -> bytes:
    out = field(1, made["name"].encode()) + field(2, made["type"].encode())
    out += b"".join(field(3, name.encode()) for name in made["bottom"])
    out += b"".join(field(4, name.encode()) for name in made["top"])
    out += b"".join(field(7, blob(array, **how)) for array in made.get("blobs", ()))
    settings = b"".join(field(number, value) for number, value in made.get("settings", ()))
    return out + (field(PARAMETERS[made["type"]], settings) if settings else b"")


def write(path: Path, layers: Sequence[Mapping[str, Any]], **how: Any) -> Path:
    with path.open("wb") as file:
        file.write(field(1, b"a network"))
        for made in layers:
            file.write(field(100, layer(made, **how)))
    return path


def conv(rng: Any, name: str, bottom: str, inside: int, out: int, size: int, stride: int, pad: int, **how: Any) -> Any:
    weight = rng.normal(0, (2 / (inside * size * size)) ** 0.5, (out, inside, size, size)).astype(np.float32)
    bias = [rng.normal(0, 0.1, out).astype(np.float32)] if how.get("bias") else []
    settings = [(1, out), (2, int(bool(bias))), (PAD, pad), (KERNEL, size), (STRIDE, stride)]
    made = {"name": name, "type": "Convolution", "bottom": [bottom], "top": [name]}
    return made | {"blobs": [weight, *bias], "settings": settings}


def normalisation(rng: Any, of: str, bn: str, scale: str, channels: int) -> Iterator[Any]:
    """A BatchNorm layer, whose sums are to be divided by a factor, and a Scale layer; both in place."""
    factor = np.float32(rng.uniform(0.5, 1000))
    mean = rng.normal(0, 0.1, channels) * factor
    variance = rng.uniform(0.5, 1.5, channels) * factor
    yield {"name": bn, "type": "BatchNorm", "bottom": [of], "top": [of], "blobs": [mean, variance, [factor]]}
    blobs = [rng.uniform(0.5, 1.0, channels), rng.normal(0, 0.1, channels)]
    yield {"name": scale, "type": "Scale", "bottom": [of], "top": [of], "blobs": blobs}


def relu(of: str) -> Any:
    return {"name": f"{of}_relu", "type": "ReLU", "bottom": [of], "top": [of]}


def resnet_names(blocks: Sequence[int]) -> list[Any]:
    """The layers of a ResNet of He et al. that have weights, and its poolings: their names alone."""
    names = ["conv1", "bn_conv1", "pool1", "pool5", "fc1000"]
    for stage, number in enumerate(blocks, 2):
        for i in range(number):
            for branch in (["1"] if i == 0 else []) + ["2a", "2b", "2c"]:
                names += [f"{kind}{stage}{block(i, stage, blocks)}_branch{branch}" for kind in ("res", "bn")]
    return [{"name": name} for name in names]


def block(i: int, stage: int, blocks: Sequence[int]) -> str:
    """The name of a block in its stage: a, b, c ...; in the long stages of the deeper networks a, b1, b2 ..."""
    return f"b{i}" if i and sum(blocks) > 16 and stage in (3, 4) else "abcdef"[i]


def resnet(seed: int, blocks: Sequence[int], classes: int, *, bias: bool) -> list[Any]:
    """The layers of a ResNet of He et al. with random weights, in the order and with the names of their prototxt."""
    rng = np.random.default_rng(seed)
    layers = [conv(rng, "conv1", "data", 3, 64, 7, 2, 3, bias=bias)]
    layers += [*normalisation(rng, "conv1", "bn_conv1", "scale_conv1", 64), relu("conv1")]
    pool = {"name": "pool1", "type": "Pooling", "bottom": ["conv1"], "top": ["pool1"]}
    layers.append(pool | {"settings": [(POOL_KERNEL, 3), (POOL_STRIDE, 2), (POOL, 0)]})
    before, inside = "pool1", 64
    for stage, number in enumerate(blocks, 2):
        width = 32 * 2 ** (stage - 1)
        for i in range(number):
            name, stride = f"{stage}{block(i, stage, blocks)}", 2 if i == 0 and stage > 2 else 1
            short = before
            if i == 0:
                short = f"res{name}_branch1"
                layers.append(conv(rng, short, before, inside, 4 * width, 1, stride, 0))
                layers += normalisation(rng, short, f"bn{name}_branch1", f"scale{name}_branch1", 4 * width)
            bottom, channels = before, inside
            for part, out, size in (("a", width, 1), ("b", width, 3), ("c", 4 * width, 1)):
                own = f"res{name}_branch2{part}"
                layers.append(conv(rng, own, bottom, channels, out, size, stride if part == "a" else 1, size // 2))
                layers += normalisation(rng, own, f"bn{own[3:]}", f"scale{own[3:]}", out)
                layers += [relu(own)] if part != "c" else []
                bottom, channels = own, out
            layers.append({"name": f"res{name}", "type": "Eltwise", "bottom": [short, bottom], "top": [f"res{name}"]})
            layers.append(relu(f"res{name}"))
            before, inside = f"res{name}", 4 * width
    layers.append({"name": "pool5", "type": "Pooling", "bottom": [before], "top": ["pool5"]})
    layers[-1]["settings"] = [(POOL_KERNEL, 7), (POOL_STRIDE, 1), (POOL, AVERAGE)]
    weight, offset = rng.normal(0, 0.05, (classes, inside)), rng.normal(0, 0.1, classes)
    layers.append({"name": "fc1000", "type": "InnerProduct", "bottom": ["pool5"], "top": ["fc1000"]})
    layers[-1] |= {"blobs": [weight, offset], "settings": [(1, classes)]}
    layers.append({"name": "prob", "type": "Softmax", "bottom": ["fc1000"], "top": ["prob"]})
    return layers
