"""ResNet for ImageNet: v1.5 as in torchvision and timm, and v1 as published by He et al."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from benchsuite import Architecture, Preprocess, Weights, hookimpl

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
V1 = Preprocess(256, 224, "bilinear", MEAN, STD)
V2 = Preprocess(232, 224, "bilinear", MEAN, STD)
BICUBIC = {
    (resize, crop): Preprocess(resize, crop, "bicubic", MEAN, STD)
    for resize, crop in ((224, 224), (235, 224), (256, 224), (288, 288), (303, 288))
}
HALVES = Preprocess(288, 288, "bicubic", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

TORCHVISION = {
    "resnet18": {"IMAGENET1K_V1": ("resnet18-f37072fd.pth", V1)},
    "resnet34": {"IMAGENET1K_V1": ("resnet34-b627a593.pth", V1)},
    "resnet50": {
        "IMAGENET1K_V1": ("resnet50-0676ba61.pth", V1),
        "IMAGENET1K_V2": ("resnet50-11ad3fa6.pth", V2),
    },
    "resnet101": {
        "IMAGENET1K_V1": ("resnet101-63fe2227.pth", V1),
        "IMAGENET1K_V2": ("resnet101-cd907fc2.pth", V2),
    },
    "resnet152": {
        "IMAGENET1K_V1": ("resnet152-394f9c45.pth", V1),
        "IMAGENET1K_V2": ("resnet152-f82ba261.pth", V2),
    },
}
"""The files of torchvision's weights, with the preprocessing of ``weights.transforms()``."""

SMALL = {
    "a1_in1k a2_in1k": BICUBIC[288, 288],
    "a3_in1k": BICUBIC[235, 224],
    "gluon_in1k": BICUBIC[256, 224],
    "tv_in1k": V1,
}
LARGE = SMALL | {"tv2_in1k": V2}
FACEBOOK = {"fb_ssl_yfcc100m_ft_in1k fb_swsl_ig1b_ft_in1k": V1}
TIMM = {
    "resnet18": SMALL | FACEBOOK,
    "resnet34": SMALL | {"bt_in1k": BICUBIC[303, 288], "ra4_e3600_r224_in1k": HALVES},
    "resnet50": LARGE
    | FACEBOOK
    | {
        "b1k_in1k b2k_in1k c1_in1k c2_in1k d_in1k": BICUBIC[288, 288],
        "a1h_in1k": BICUBIC[224, 224],
        "am_in1k": BICUBIC[256, 224],
        "bt_in1k ra_in1k ram_in1k": BICUBIC[303, 288],
    },
    "resnet101": LARGE | {"a1h_in1k": BICUBIC[288, 288]},
    "resnet152": LARGE | {"a1h_in1k": BICUBIC[288, 288]},
}
"""timm's tags for ImageNet-1k, with timm's test preprocessing: a short side of floor(test size / crop_pct)."""

NOTE = (
    "v1.5: stride 2 in the 3x3 convolution, as torchvision, timm and fb.resnet.torch; {name}.v1 has it where He et al. "
    "put it. The default weights are torchvision's first ones, trained with its simple recipe: their published numbers "
    "are the ones to hold against those of He et al. --weights IMAGENET1K_V2 and timm's come from newer recipes"
)
NOTE_BASIC = (
    "v1 and v1.5 are the same for basic blocks. The default weights are torchvision's, trained with its simple recipe: "
    "their published numbers are the ones to hold against those of He et al."
)
NOTE_V1 = (
    "v1, the Caffe network of He et al.: stride 2 in the first 1x1 convolution, a first pooling without padding that "
    "rounds up{bias}. Declares no weights: the originals are Caffe files, given as --weights {file}-model.caffemodel "
    "(BGR, 0 to 255, minus a mean). Its preprocessing is the shorter side of 256 that their README states; the "
    "interpolation is stated nowhere, bilinear is a choice, and so are torchvision's mean and std for other files: the "
    "paper subtracts a per-pixel mean"
)


@hookimpl
def benchsuite_architectures() -> Iterator[Architecture]:
    """ResNet-18 to 152 as in torchvision, and those with bottleneck blocks also as in He et al."""
    for name in TORCHVISION:
        bottleneck = name not in ("resnet18", "resnet34")
        note = NOTE.format(name=name) if bottleneck else NOTE_BASIC
        weights, adapt = (*_torchvision(name), *_timm(name)), partial(_refuse_caffe, name) if bottleneck else None
        yield Architecture(name, partial(_build, name), V1, weights, note=note, adapt=adapt, residual=True)
        if bottleneck:
            bias = ", and a bias in the first convolution" if name == "resnet50" else ""
            note = NOTE_V1.format(bias=bias, file=name.replace("resnet", "ResNet-"))
            yield Architecture(f"{name}.v1", partial(_build_v1, name), V1, note=note, adapt=_from_caffe, residual=True)


def _torchvision(name: str) -> Iterator[Weights]:
    from benchsuite.plugins._pretrained import torch_file, torchvision_state

    for weights, (file, preprocess) in TORCHVISION[name].items():
        url = f"https://download.pytorch.org/models/{file}"
        load = partial(torchvision_state, name, weights)
        yield Weights(weights, load, preprocess, 1000, url, torch_file(url))


def _timm(name: str) -> Iterator[Weights]:
    from benchsuite.plugins._pretrained import timm_file, timm_state, timm_url

    for tags, preprocess in TIMM[name].items():
        for tag in tags.split():
            full = f"{name}.{tag}"
            url = timm_url(f"timm/{full}")
            yield Weights(f"timm.{tag}", partial(timm_state, full), preprocess, 1000, url, timm_file(full, url))


def _build(name: str, num_classes: int) -> Any:
    import torchvision

    return torchvision.models.get_model(name, num_classes=num_classes)


def _build_v1(name: str, num_classes: int) -> Any:
    from benchsuite.plugins._resnet_model import resnet_v1

    return resnet_v1(name, num_classes)


def _from_caffe(tensors: Mapping[str, Any], module: Any) -> Mapping[str, Any]:
    from benchsuite.plugins._resnet_caffe import from_caffe

    return from_caffe(tensors, module)


def _refuse_caffe(name: str, tensors: Mapping[str, Any], module: Any) -> Mapping[str, Any]:
    from benchsuite.plugins._resnet_caffe import refuse_caffe

    return refuse_caffe(name, tensors, module)
