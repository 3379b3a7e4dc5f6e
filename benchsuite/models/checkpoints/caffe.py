"""Reads the binary files of Caffe: layers with their weights (.caffemodel) and a mean image (.binaryproto).

The files are protocol buffers, which the package ``protobuf`` parses. Only the fields that are used are described to
it, by the numbers and types of ``caffe.proto`` of BVLC/caffe; all others are skipped.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchsuite.errors import WeightsError, expected, first_line

SUFFIX = ".caffemodel"
MEAN_SUFFIX = ".binaryproto"

EPS = 1e-5
"""Epsilon of batch normalisation in Caffe by default, and in torch."""

MESSAGES: Mapping[str, Sequence[tuple[str, int, str]]] = {
    "Shape": (("dim", 1, "int64[]"),),
    "Blob": (
        ("num", 1, "int32"),
        ("channels", 2, "int32"),
        ("height", 3, "int32"),
        ("width", 4, "int32"),
        ("data", 5, "float[]"),
        ("shape", 7, "Shape"),
        ("double_data", 8, "double[]"),
    ),
    "Convolution": (
        ("pad", 3, "uint32*"),
        ("kernel_size", 4, "uint32*"),
        ("group", 5, "uint32"),
        ("stride", 6, "uint32*"),
        ("pad_h", 9, "uint32"),
        ("pad_w", 10, "uint32"),
        ("kernel_h", 11, "uint32"),
        ("kernel_w", 12, "uint32"),
        ("stride_h", 13, "uint32"),
        ("stride_w", 14, "uint32"),
        ("dilation", 18, "uint32*"),
    ),
    "Pooling": (
        ("pool", 1, "int32"),
        ("kernel_size", 2, "uint32"),
        ("stride", 3, "uint32"),
        ("pad", 4, "uint32"),
        ("kernel_h", 5, "uint32"),
        ("kernel_w", 6, "uint32"),
        ("stride_h", 7, "uint32"),
        ("stride_w", 8, "uint32"),
        ("pad_h", 9, "uint32"),
        ("pad_w", 10, "uint32"),
        ("global_pooling", 12, "bool"),
        ("round_mode", 13, "int32"),
    ),
    "InnerProduct": (("transpose", 6, "bool"),),
    "BatchNorm": (("eps", 3, "float"),),
    "Layer": (
        ("name", 1, "string"),
        ("type", 2, "string"),
        ("bottom", 3, "string*"),
        ("top", 4, "string*"),
        ("blobs", 7, "Blob*"),
        ("convolution_param", 106, "Convolution"),
        ("inner_product_param", 117, "InnerProduct"),
        ("pooling_param", 121, "Pooling"),
        ("batch_norm_param", 139, "BatchNorm"),
    ),
    "OldLayer": (("name", 4, "string"),),
    "Net": (("name", 1, "string"), ("layers", 2, "OldLayer*"), ("layer", 100, "Layer*")),
}
"""The fields of Caffe's messages that are read: name, number, type; ``*`` is repeated, ``[]`` repeated and packed."""


def read(path: Path) -> dict[str, Any]:
    """The tensors of a network by layer, in the names of torch: ``conv1.weight``, ``bn_conv1.running_mean`` ...

    A BatchNorm layer and the Scale layer after it are one batch normalisation: its sums are divided by Caffe's factor,
    and its variance is shifted where its epsilon is not ``EPS``. The settings of convolutions and poolings stand beside
    the weights as whole numbers, such as ``conv1.stride``. Raises ``WeightsError`` for a file that is damaged or older
    than these layers, and if protobuf is not installed.
    """
    net = _parsed("Net", path)
    if net.layers:
        got = "the one of its first layers: convert it with Caffe's upgrade_net_proto_binary"
        raise WeightsError(expected("a Caffe file", "in its present format", got, str(path)))
    tensors: dict[str, Any] = {}
    writers: dict[str, str] = {}
    for layer in net.layer:
        if layer.type == "Scale" and len(layer.bottom) == 1 and layer.blobs:
            of = writers.get(layer.bottom[0])
            if of is None:
                got = f"{layer.name} after another layer"
                raise WeightsError(expected("a Scale layer", "after a BatchNorm layer", got, str(path)))
            tensors |= {f"{of}.{name}": value for name, value in _scale(layer, path)}
        else:
            tensors |= {f"{layer.name}.{name}": value for name, value in _tensors(layer, path)}
        for top in layer.top:
            writers.pop(top, None)
            if layer.type == "BatchNorm":
                writers[top] = layer.name
    if not tensors:
        raise WeightsError(expected("a Caffe file", "a network with weights", "no layer with any", str(path)))
    return tensors


def mean(given: str | None, path: Path) -> tuple[tuple[float, ...], str]:
    """The mean to subtract, (blue, green, red) from 0 to 255, and where it comes from.

    ``given`` is ``mean=`` of the user: three numbers joined by +, or a mean image. Without it, a mean image beside the
    file is read, whose pixels are averaged for each channel. Raises ``WeightsError`` if there is none.
    """
    if given is None:
        beside = sorted(path.parent.glob(f"*{MEAN_SUFFIX}"))
        if len(beside) != 1:
            got = f"{len(beside)} mean images beside the file" if beside else "none"
            rule = f"a {MEAN_SUFFIX} file or BLUE+GREEN+RED, since the file does not hold what training subtracted"
            raise WeightsError(expected(f"mean= for {path.name}", rule, got))
        return _mean_image(beside[0])
    if given.endswith(MEAN_SUFFIX):
        return _mean_image(Path(given).expanduser())
    try:
        values = tuple(float(value) for value in given.split("+"))
    except ValueError:
        values = ()
    if len(values) != 3 or not all(0 <= value <= 255 for value in values):
        rule = f"a {MEAN_SUFFIX} file or three numbers from 0 to 255 as BLUE+GREEN+RED"
        raise WeightsError(expected("mean= of --weights", rule, given))
    return values, "mean= of --weights"


def check_layers(module: Any, settings: Mapping[str, Any], where: str) -> None:
    """Raises ``WeightsError`` if a layer of the network has other settings than the file says for it.

    ``settings`` are the whole numbers that ``read`` puts beside the weights, by the names of the network.
    """
    import torch

    for name, layer in module.named_modules():
        pooling = isinstance(layer, torch.nn.MaxPool2d)
        if isinstance(layer, torch.nn.BatchNorm2d) and layer.eps != EPS:
            raise WeightsError(expected(f"epsilon of {name}", f"{EPS:g} for a Caffe file", layer.eps, where))
        if not pooling and not isinstance(layer, torch.nn.Conv2d):
            continue
        for setting in ("kernel_size", "stride", "padding", "dilation", "groups", "ceil_mode"):
            given = settings.get(f"{name}.{setting}")
            if given is not None:
                own, theirs = _pair(getattr(layer, setting)), _pair(given.tolist())
                if own != theirs:
                    raise WeightsError(expected(f"{setting} of {name}", f"{own} as in this network", theirs, where))


def _tensors(layer: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """The weights of one layer in torch's names and shapes, and its settings as whole numbers."""
    import torch

    blobs = [_blob(blob, f"{layer.name} of {path.name}") for blob in layer.blobs]
    if layer.type == "Convolution":
        yield from zip(("weight", "bias"), (_flat(b) if i else b for i, b in enumerate(blobs)), strict=False)
        p = layer.convolution_param
        yield "kernel_size", torch.tensor(_sides(p, "kernel_size", "kernel", 0))
        yield "stride", torch.tensor(_sides(p, "stride", "stride", 1))
        yield "padding", torch.tensor(_sides(p, "pad", "pad", 0))
        yield "dilation", torch.tensor(_sides(p, "dilation", "", 1))
        yield "groups", torch.tensor(p.group or 1)
    elif layer.type == "InnerProduct" and blobs:
        weight = blobs[0].reshape(-1, blobs[0].shape[-1])
        yield "weight", weight.T.contiguous() if layer.inner_product_param.transpose else weight
        yield from (("bias", _flat(blob)) for blob in blobs[1:2])
    elif layer.type == "BatchNorm" and blobs:
        yield from _batch_norm(layer, blobs, path)
    elif layer.type == "Pooling" and not layer.pooling_param.pool:
        p = layer.pooling_param
        yield "kernel_size", torch.tensor(_sides(p, "kernel_size", "kernel", 0))
        yield "stride", torch.tensor(_sides(p, "stride", "stride", 1))
        yield "padding", torch.tensor(_sides(p, "pad", "pad", 0))
        yield "ceil_mode", torch.tensor(int(p.round_mode == 0))
    else:
        yield from ((str(i), blob) for i, blob in enumerate(blobs))


def _batch_norm(layer: Any, blobs: Sequence[Any], path: Path) -> Iterator[tuple[str, Any]]:
    """Mean and variance of a BatchNorm layer: its sums, divided by the factor in its third blob; 0 if that is 0."""
    import torch

    if len(blobs) != 3 or blobs[2].numel() != 1 or len(blobs[0].flatten()) != len(blobs[1].flatten()):
        shapes = [tuple(blob.shape) for blob in blobs]
        raise WeightsError(expected(f"{layer.name}", "a mean, a variance and a factor", shapes, str(path)))
    factor = float(blobs[2])
    scale = 1 / factor if factor else 0.0
    average, variance = (_flat(blob).double() * scale for blob in blobs[:2])
    eps = layer.batch_norm_param.eps if layer.batch_norm_param.HasField("eps") else EPS
    shift = float(f"{eps:.7g}") - EPS
    yield "running_mean", average.float()
    yield "running_var", (variance + shift).float()
    yield "weight", torch.ones(len(average))
    yield "bias", torch.zeros(len(average))


def _scale(layer: Any, path: Path) -> Iterator[tuple[str, Any]]:
    """What a Scale layer multiplies by and adds."""
    blobs = (_flat(_blob(blob, f"{layer.name} of {path.name}")) for blob in layer.blobs)
    yield from zip(("weight", "bias"), blobs, strict=False)


def _blob(blob: Any, what: str) -> Any:
    """The numbers of a blob as a float32 tensor of its shape. Raises ``WeightsError`` if there are more or fewer."""
    import numpy as np
    import torch

    shape = tuple(blob.shape.dim) if blob.HasField("shape") else (blob.num, blob.channels, blob.height, blob.width)
    values = np.array(blob.double_data or blob.data, dtype=np.float32)
    if int(np.prod(shape)) != len(values):
        raise WeightsError(expected(f"a blob of {what}", f"of shape {shape}", f"{len(values)} numbers"))
    return torch.from_numpy(values.reshape(shape))


def _flat(blob: Any) -> Any:
    return blob.reshape(-1)


def _sides(parameters: Any, both: str, side: str, usual: int) -> list[int]:
    """(height, width) of a setting, which is written for both sides at once, for each, or not at all."""
    value = getattr(parameters, both)
    values = [value] if isinstance(value, int) else list(value)
    if side and any(parameters.HasField(f"{side}_{s}") for s in "hw"):
        return [getattr(parameters, f"{side}_{s}") for s in "hw"]
    given = isinstance(value, int) and parameters.HasField(both)
    values = values if given or (not isinstance(value, int) and values) else [usual]
    return values * 2 if len(values) == 1 else values


def _pair(value: Any) -> tuple[int, ...]:
    """A setting of both sides, whether it is written once or twice."""
    values = tuple(value) if isinstance(value, list | tuple) else (value,)
    whole = tuple(int(v) for v in values)
    return whole[:1] if len(set(whole)) == 1 else whole


def _mean_image(path: Path) -> tuple[tuple[float, ...], str]:
    """The channel means of a mean image (1, 3, h, w), blue first."""
    if not path.is_file():
        raise WeightsError(expected("mean= of --weights", "a file", f"{path}, which is none"))
    blob = _blob(_parsed("Blob", path), path.name)
    image = blob.reshape(blob.shape[-3:]) if blob.dim() >= 3 else blob
    if image.dim() != 3 or image.shape[0] != 3:
        raise WeightsError(expected("a mean image", "of 3 channels", tuple(blob.shape), str(path)))
    return tuple(round(float(v), 4) for v in image.double().mean((1, 2))), f"the channel means of {path.name}"


def _parsed(message: str, path: Path) -> Any:
    """The message in a file. Raises ``WeightsError`` if it is none, and if protobuf is not installed."""
    value = messages()[message]()
    try:
        value.ParseFromString(path.read_bytes())
    except Exception as error:
        reason = first_line(error)
        raise WeightsError(expected("a Caffe file", "a complete protocol buffer", reason, str(path))) from None
    return value


@functools.cache
def messages() -> Mapping[str, Any]:
    """Classes for ``MESSAGES`` by name. Raises ``WeightsError`` if protobuf is not installed."""
    try:
        from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
    except ImportError:
        rule = "readable with protobuf installed: pip install 'benchsuite[caffe]'"
        raise WeightsError(expected("a Caffe file", rule, "no protobuf")) from None
    file = descriptor_pb2.FileDescriptorProto(
        name="benchsuite/caffe.proto", package="benchsuite.caffe", syntax="proto2"
    )
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for label, number, kind in fields:
            plain = kind.removesuffix("[]").removesuffix("*")
            made = message.field.add(name=label, number=number)
            made.label = kinds.LABEL_OPTIONAL if plain == kind else kinds.LABEL_REPEATED
            if plain in MESSAGES:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".benchsuite.caffe.{plain}"
            else:
                made.type = getattr(kinds, f"TYPE_{plain.upper()}")
            if kind.endswith("[]"):
                made.options.packed = True
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file) if hasattr(pool, "Add") else pool.AddSerializedFile(file.SerializeToString())
    found = (pool.FindMessageTypeByName(f"benchsuite.caffe.{name}") for name in MESSAGES)
    return {d.name: message_factory.GetMessageClass(d) for d in found}
