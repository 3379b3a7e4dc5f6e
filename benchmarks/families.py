"""The table of docs/families.md: networks of timm and torchvision with random weights, a small one of each family.

``python benchmarks/families.py [--check] [NETWORK ...]``

Each network's preprocessing is compared with the library's own transforms, pixel by pixel on made-up pictures of usual
sizes; the network makes the checks of ``benchsuite plugin check``; and it is asked for the score map of ``fullconv``.
Without names every network is measured and the page is written; with names their lines are printed. ``--check``
compares lines with the page, and its exit status is 1 if one differs.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchsuite import Architecture, BenchsuiteError, load_plugins
from benchsuite.data import resize as resizing
from benchsuite.evaluation.preprocessing import own_input
from benchsuite.report.export import markdown_table
from benchsuite.report.tables.sheet import Cell, Column, Sheet, number
from benchsuite.specs.preprocess import center, in_words
from benchsuite.specs.view import resized_shape
from benchsuite.testing import check_architecture

PAGE = Path(__file__).parent.parent / "docs" / "families.md"
BEGIN, END = "<!-- made by benchmarks/families.py -->", "<!-- end of table -->"

NETWORKS = (
    "torchvision:alexnet",
    "torchvision:squeezenet1_1",
    "torchvision:vgg11",
    "torchvision:resnet18",
    "torchvision:densenet121",
    "torchvision:googlenet",
    "torchvision:inception_v3",
    "torchvision:mobilenet_v2",
    "torchvision:mobilenet_v3_small",
    "torchvision:mnasnet0_5",
    "torchvision:shufflenet_v2_x0_5",
    "torchvision:regnet_y_400mf",
    "torchvision:efficientnet_b0",
    "torchvision:convnext_tiny",
    "torchvision:swin_t",
    "torchvision:maxvit_t",
    "torchvision:vit_b_32",
    "timm:resnet10t",
    "timm:resnext26ts",
    "timm:ghostnet_050",
    "timm:hrnet_w18_small",
    "timm:nf_regnet_b1",
    "timm:repvgg_a0",
    "timm:tf_efficientnetv2_b0",
    "timm:convnextv2_atto",
    "timm:vit_tiny_patch16_224",
    "timm:deit_tiny_patch16_224",
    "timm:beit_base_patch16_224",
    "timm:mixer_s32_224",
    "timm:coatnet_pico_rw_224",
    "timm:swinv2_cr_tiny_ns_224",
)
SIZES = ((375, 500), (500, 333), (256, 256), (240, 1600))
"""(height, width) of the made-up pictures."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A line of the table. ``difference`` is the largest of any pixel, in grey levels of 255."""

    name: str
    millions: float
    preprocessing: str
    difference: float
    conformance: str
    fullconv: str


def measure(name: str) -> Measured:
    """Builds a network of the libraries with random weights, and compares and checks it."""
    import torch

    from benchsuite.models.score_map import derive

    architecture = load_plugins(entry_points=False).architecture(name)
    try:
        check_architecture(architecture)
        conformance = "passed"
    except BenchsuiteError as error:
        conformance = _reason(error)
    torch.manual_seed(0)
    module = architecture.build(1000).eval()
    try:
        derive(architecture, module, architecture.preprocess.crop)
        fullconv = "a score map"
    except BenchsuiteError as error:
        fullconv = _reason(error)
    millions = sum(p.numel() for p in module.parameters()) / 1e6
    own = own_input(architecture)
    words = "; ".join([in_words(architecture.preprocess), *([own] if own else [])])
    return Measured(name, millions, words, largest_difference(architecture), conformance, fullconv)


def _reason(error: BenchsuiteError) -> str:
    """The end of a message, which is the reason, without its advice."""
    return f"refused: {' '.join(str(error).split()).rpartition('that is not: ')[2].partition('. Use')[0]}"


def largest_difference(architecture: Architecture) -> float:
    """The largest difference between benchsuite's input and that of the library's transforms, in grey levels."""
    import torch

    from benchsuite.models.input_normalization import InputNormalization

    p, theirs, largest = architecture.preprocess, library_transform(architecture.name), 0.0
    view, inputs, std = center(p), InputNormalization(p, "cpu"), torch.tensor(p.std).view(-1, 1, 1)
    for height, width in SIZES:
        picture = Image.fromarray(pixels(height, width))
        cut = resizing.cut(resizing.resize(picture, *resized_shape(height, width, view), view), view)
        ours = inputs(torch.from_numpy(cut.copy())[None])[0]
        largest = max(largest, float(((ours - theirs(picture)) * std).abs().max()) * 255 / p.range)
    return largest


def library_transform(name: str) -> Any:
    """The transforms that the library itself applies to an image before the network with its default weights."""
    library, _, bare = name.partition(":")
    if library == "torchvision":
        from torchvision import models

        return models.get_model_weights(bare).DEFAULT.transforms()
    import timm
    from timm.data import create_transform, resolve_data_config

    config = timm.get_pretrained_cfg(bare).to_dict()
    return create_transform(**resolve_data_config(pretrained_cfg=config, use_test_size=True))


def pixels(height: int, width: int) -> Any:
    """A made-up picture with smooth areas, edges and noise: uint8 (height, width, 3)."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 17 + c) * np.cos(y / (11 + 5 * c)) for c in range(3)], axis=-1)
    edges = ((x // 23 + y // 31) % 2)[..., None]
    noise = np.random.default_rng(0).normal(0, 20, (height, width, 3))
    return np.clip(128 + 70 * waves + 50 * edges + noise, 0, 255).astype(np.uint8)


def table(rows: Sequence[Measured]) -> str:
    """The rows as a table of Markdown."""
    titles = ("network", "million parameters", "preprocessing", "largest difference", "conformance", "fullconv")
    columns = tuple(Column(title, title in ("million parameters", "largest difference")) for title in titles)
    cells = tuple(
        (
            Cell(row.name),
            number(row.millions, 1),
            Cell(row.preprocessing),
            Cell("0" if row.difference == 0 else f"{row.difference:.1e}"),
            Cell(row.conformance),
            Cell(row.fullconv),
        )
        for row in rows
    )
    return markdown_table(Sheet("families", "Families", columns, cells))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measures, and writes, prints or compares."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK")
    parser.add_argument("--check", action="store_true")
    args = parser.parse_args(arguments)
    rows = []
    for name in args.networks or NETWORKS:
        print(name, file=sys.stderr, flush=True)
        rows.append(measure(name))
    text, page = table(rows), PAGE.read_text(encoding="utf-8")
    if args.check:
        stale = [line for line in text.splitlines()[2:] if line not in page.splitlines()]
        print("\n".join(stale) or "up to date")
        return int(bool(stale))
    if args.networks:
        print(text)
        return 0
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
