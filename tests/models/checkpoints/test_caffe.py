"""Tests of Caffe's files, which are written here byte by byte, against a plain computation of what Caffe does."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import caffe_files
import numpy as np
import pytest
import torch
from reference import caffe as reference
from small_network import DATASET
from torch import nn

from benchsuite import Architecture, Preprocess, WeightsError, load_plugins
from benchsuite.models.checkpoints import caffe
from benchsuite.models.input_normalization import InputNormalization
from benchsuite.models.weights import build, choose, load, notes

pytest.importorskip("google.protobuf")


class Small(nn.Module):
    """Names as in the small files below; strides and pooling as there unless changed."""

    def __init__(
        self, classes: int = 4, stride: int = 2, groups: int = 1, ceil: bool = True, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4 if groups > 1 else 3, 6, 3, stride, padding=1, groups=groups)
        self.bn = nn.BatchNorm2d(6, eps=eps)
        self.pool = nn.MaxPool2d(3, 2, ceil_mode=ceil)
        self.fc = nn.Linear(6, classes)

    def forward(self, x: Any) -> Any:
        return self.fc(self.pool(self.bn(self.conv(x)).relu()).mean((2, 3)))


def layers(seed: int = 0, groups: int = 1) -> list[Any]:
    rng = np.random.default_rng(seed)
    inside = 4 // groups if groups > 1 else 3
    made = [caffe_files.conv(rng, "conv", "data", inside, 6, 3, 2, 1, bias=True)]
    made[0]["settings"] += [(caffe_files.GROUP, groups)] if groups > 1 else []
    made += [*caffe_files.normalisation(rng, "conv", "bn", "scale", 6), caffe_files.relu("conv")]
    pool = {"name": "pool", "type": "Pooling", "bottom": ["conv"], "top": ["pool"]}
    made.append(pool | {"settings": [(caffe_files.POOL_KERNEL, 3), (caffe_files.POOL_STRIDE, 2)]})
    last = {"name": "last", "type": "Pooling", "bottom": ["pool"], "top": ["last"]}
    made.append(last | {"settings": [(caffe_files.POOL_KERNEL, 99), (caffe_files.POOL, caffe_files.AVERAGE)]})
    fc = {"name": "fc", "type": "InnerProduct", "bottom": ["last"], "top": ["fc"], "settings": [(1, 4)]}
    return [*made, fc | {"blobs": [rng.normal(size=(4, 6)), rng.normal(size=4)]}]


def architecture(**how: Any) -> Architecture:
    return Architecture(
        "small", lambda classes: Small(classes, **how), Preprocess(40, 32, "bilinear", (0,) * 3, (1,) * 3)
    )


def opened(path: Path, options: str = ",mean=1+2+3", **how: Any) -> Any:
    it = architecture(**how)
    return build(it, choose(it, DATASET, f"{path}{options}", 0), 4).eval()


def line(path: Path, options: str = ",mean=1+2+3", **how: Any) -> str:
    with pytest.raises(WeightsError) as error:
        opened(path, options, **how)
    assert "\n" not in str(error.value)
    return str(error.value)


def agree(module: Any, made: list[Any], image: Any, until: str) -> None:
    with torch.inference_mode():
        got, wanted = module.double()(image.double()), reference.forward(made, image, until)
    assert (wanted[0] - wanted[1]).abs().max() > 0.01 * wanted.abs().max()
    torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-6 * float(wanted.abs().max()))


@pytest.mark.parametrize("how", [{}, {"legacy": True}, {"double": True}])
@pytest.mark.parametrize("side", [20, 23, 30])
def test_a_small_network_computes_what_caffe_does(tmp_path: Path, how: Any, side: int) -> None:
    made = layers()
    path = caffe_files.write(tmp_path / "net.caffemodel", made, **how)
    torch.manual_seed(0)
    agree(opened(path), made, torch.randn(2, 3, side, side + 3), "fc")


def test_groups_are_read_and_checked(tmp_path: Path) -> None:
    path = caffe_files.write(tmp_path / "net.caffemodel", layers(groups=2))
    torch.manual_seed(0)
    agree(opened(path, groups=2), layers(groups=2), torch.randn(2, 4, 20, 20), "fc")


def test_an_epsilon_of_the_file_is_kept(tmp_path: Path) -> None:
    made = layers()
    made[1]["settings"] = [(caffe_files.EPS, 0.5)]
    path = caffe_files.write(tmp_path / "net.caffemodel", made)
    torch.manual_seed(0)
    agree(opened(path), made, torch.randn(2, 3, 20, 20), "fc")
    assert "Expected epsilon of bn to be 1e-05 for a Caffe file, got 0.001 (small" in line(path, eps=1e-3)


def test_a_factor_of_zero_means_no_statistics(tmp_path: Path) -> None:
    made = layers()
    made[1]["blobs"][2] = [0.0]
    module = opened(caffe_files.write(tmp_path / "net.caffemodel", made))
    assert (module.bn.running_mean.abs().sum(), module.bn.running_var.abs().sum()) == (0, 0)


def test_a_batchnorm_without_scale_neither_multiplies_nor_adds(tmp_path: Path) -> None:
    made = layers()
    del made[2]
    module = opened(caffe_files.write(tmp_path / "net.caffemodel", made))
    assert module.bn.weight.tolist() == [1] * 6
    assert module.bn.bias.tolist() == [0] * 6


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"stride": 1}, "Expected stride of conv to be (1,) as in this network, got (2,)"),
        ({"ceil": False}, "Expected ceil_mode of pool to be (0,) as in this network, got (1,)"),
    ],
)
def test_a_network_with_other_strides_or_pooling_is_refused(tmp_path: Path, how: Any, said: str) -> None:
    assert said in line(caffe_files.write(tmp_path / "net.caffemodel", layers()), **how)


def test_damaged_and_other_files_are_one_line(tmp_path: Path) -> None:
    path = caffe_files.write(tmp_path / "net.caffemodel", layers())
    whole = path.read_bytes()
    for part in (0.3, 0.9):
        path.write_bytes(whole[: int(len(whole) * part)])
        assert "Expected a Caffe file to be a complete protocol buffer" in line(path)
    path.write_bytes(b"")
    assert "a network with weights, got no layer with any" in line(path)
    path.write_bytes(caffe_files.field(2, caffe_files.field(4, b"conv1")))
    assert "upgrade_net_proto_binary" in line(path)
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    assert "a pointer of Git LFS" in line(path)
    made = layers()
    made[6]["blobs"][1] = np.zeros(3)
    caffe_files.write(path, made)
    assert "Expected fc.bias of the checkpoint to be of shape (4,), got (3,)" in line(path)
    made = layers()
    made[2]["bottom"] = made[2]["top"] = ["elsewhere"]
    caffe_files.write(path, made)
    assert "Expected a Scale layer to be after a BatchNorm layer, got scale after another layer" in line(path)
    made = layers()
    made[1]["blobs"] = made[1]["blobs"][:2]
    caffe_files.write(path, made)
    assert "Expected bn to be a mean, a variance and a factor" in line(path)


def test_without_protobuf_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = caffe_files.write(tmp_path / "net.caffemodel", layers())
    caffe.messages.cache_clear()
    monkeypatch.setitem(sys.modules, "google.protobuf", None)
    assert "pip install 'benchsuite[caffe]', got no protobuf" in line(path)


def test_the_mean_is_that_of_the_file_beside_or_the_users(tmp_path: Path) -> None:
    path = caffe_files.write(tmp_path / "net.caffemodel", layers())
    assert "Expected mean= for net.caffemodel to be a .binaryproto file or BLUE+GREEN+RED" in line(path, "")
    image = np.arange(3 * 4 * 5, dtype=np.float32).reshape(1, 3, 4, 5)
    (tmp_path / "mean.binaryproto").write_bytes(caffe_files.blob(image, legacy=True))
    it = architecture()
    found = choose(it, DATASET, str(path), 0)
    p = found.preprocess
    assert (p.mean, p.std, p.channel_order, p.range) == ((9.5, 29.5, 49.5), (1.0, 1.0, 1.0), "BGR", 255.0)
    assert (p.resize, p.crop, p.interpolation) == (40, 32, "bilinear")
    said = notes(it, found, load(it, found, 4).reading)[-1]
    assert "BGR from 0 to 255, mean 9.5 29.5 49.5, std 1 1 1" in said
    assert "with the mean from the channel means of mean.binaryproto" in said
    given = choose(it, DATASET, f"{path},mean=104+117+123", 0)
    assert given.preprocess.mean == (104, 117, 123)
    assert "mean= of --weights" in notes(it, given, load(it, given, 4).reading)[-1]
    (tmp_path / "other.binaryproto").write_bytes(caffe_files.blob(image[0]))
    assert "got 2 mean images beside the file" in line(path, "")
    chosen = choose(it, DATASET, f"{path},mean={tmp_path}/other.binaryproto", 0)
    assert chosen.preprocess.mean == (9.5, 29.5, 49.5)


@pytest.mark.parametrize("text", ["1+2", "1+2+x", "1+2+300", "none.binaryproto"])
def test_a_wrong_mean_is_one_line(tmp_path: Path, text: str) -> None:
    path = caffe_files.write(tmp_path / "net.caffemodel", layers())
    assert "mean= of --weights" in line(path, f",mean={text}")


def test_a_mean_for_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    torch.save(Small().state_dict(), tmp_path / "net.pth")
    assert "mean= of --weights to be for a .caffemodel file, got net.pth" in line(tmp_path / "net.pth", ",mean=1+2+3")


def test_pixels_reach_the_network_as_caffe_gives_them(tmp_path: Path) -> None:
    """BGR, 0 to 255, minus the mean of each channel."""
    path = caffe_files.write(tmp_path / "net.caffemodel", layers())
    found = choose(architecture(), DATASET, f"{path},mean=104+117+123", 0)
    pixels = torch.randint(0, 256, (2, 5, 6, 3), dtype=torch.uint8)
    x = InputNormalization(found.preprocess, "cpu")(pixels)
    for channel, (at, mean) in enumerate(((2, 104), (1, 117), (0, 123))):
        assert torch.equal(x[:, channel], pixels[..., at].float() - mean)


CATALOG = load_plugins(entry_points=False)


def test_the_full_layer_list_of_resnet50_computes_what_caffe_does(tmp_path: Path) -> None:
    made = caffe_files.resnet(0, (3, 4, 6, 3), 7, bias=True)
    assert len([x for x in made if x["type"] == "Convolution"]) == 53
    path = caffe_files.write(tmp_path / "ResNet-50-model.caffemodel", made)
    it = CATALOG.architecture("resnet50.v1")
    found = choose(it, DATASET, f"{path},mean=104+117+123", 0)
    loaded = load(it, found, 7)
    assert str(loaded.reading) == "converted by the network's own rules"
    torch.manual_seed(0)
    image = torch.randint(-120, 130, (2, 3, 71, 64)).float()
    agree(loaded.module.eval(), made, image, "fc1000")
    plain = CATALOG.architecture("resnet50")
    with pytest.raises(
        WeightsError, match=r"architecture to be resnet50.v1 for a Caffe file of He et al., got resnet50"
    ):
        load(plain, choose(plain, DATASET, f"{path},mean=104+117+123", 0), 7)
    other = CATALOG.architecture("resnet101.v1")
    with pytest.raises(WeightsError, match="to be one of this network"):
        load(other, choose(other, DATASET, f"{path},mean=104+117+123", 0), 7)


@pytest.mark.parametrize(("name", "blocks"), [("resnet101.v1", (3, 4, 23, 3)), ("resnet152.v1", (3, 8, 36, 3))])
def test_every_layer_of_the_deeper_networks_has_its_name(name: str, blocks: tuple[int, ...]) -> None:
    from benchsuite.plugins._resnet_caffe import torchvision_name

    names = [x["name"] for x in caffe_files.resnet_names(blocks)]
    with torch.device("meta"):
        module = CATALOG.architecture(name).build(1000)
    own = [n for n, m in module.named_modules() if isinstance(m, nn.Conv2d | nn.BatchNorm2d | nn.Linear)]
    assert sorted(torchvision_name(n) for n in names) == sorted([*own, "maxpool", "avgpool"])


def test_a_network_of_another_design_is_no_resnet() -> None:
    from benchsuite.plugins._resnet_caffe import torchvision_name

    for name in ("fc8", "res6a_branch1", "conv1_1", "res2a_branch3"):
        with pytest.raises(LookupError):
            torchvision_name(name)
