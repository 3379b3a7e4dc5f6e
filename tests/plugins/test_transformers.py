"""Tests of transformers' classifiers from a folder: their logits, and the pixels of their own processors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchsuite import BadParameter, UnknownName, load_plugins
from benchsuite.data.resize import cut, resize
from benchsuite.specs.preprocess import center
from benchsuite.specs.view import resized_shape

CATALOG = load_plugins(entry_points=False)
SQUARE = {"height": 224, "width": 224}


@pytest.fixture
def vit(tmp_path: Path) -> Path:
    """A tiny vision transformer with random weights, saved as transformers saves it."""
    hf = pytest.importorskip("transformers", reason="needs pip install 'benchsuite[transformers]'")
    config = hf.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8
    )
    config.num_labels = 5
    torch.manual_seed(0)
    hf.ViTForImageClassification(config).save_pretrained(tmp_path / "vit")
    hf.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


def test_its_logits_are_those_of_the_model_on_the_pixels_of_its_processor(vit: Path) -> None:
    import transformers as hf

    architecture = CATALOG.architecture(f"hf:{vit}")
    (weights,) = architecture.weights
    assert (weights.name, weights.classes, architecture.dense) == ("pretrained", 5, None)
    network = architecture.build(5).eval()
    network.load_state_dict(weights.load())
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    seen: Any = center(weights.preprocess)
    pixels = cut(resize(image, *resized_shape(40, 50, seen), seen), seen)
    p = weights.preprocess
    ours = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    ours = (ours - torch.tensor(p.mean).view(1, 3, 1, 1)) / torch.tensor(p.std).view(1, 3, 1, 1)
    theirs = hf.AutoImageProcessor.from_pretrained(vit)(image, return_tensors="pt")["pixel_values"]
    assert (ours - theirs).abs().max() <= 3 / 255 / min(p.std)  # torchvision resizes in other integers than Pillow
    model = hf.AutoModelForImageClassification.from_pretrained(vit).eval()
    with torch.inference_mode():
        torch.testing.assert_close(network(ours), model(pixel_values=ours).logits)


@pytest.mark.parametrize(
    ("processor", "wanted"),
    [
        (
            {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}},
            (256, 224),
        ),
        ({"size": {"height": 224, "width": 224}}, ((224, 224), 224)),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875}, (256, 224)),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, ((384, 384), 384)),
    ],
)
def test_the_sizes_of_processors_are_read_as_transformers_uses_them(processor: dict[str, Any], wanted: Any) -> None:
    from benchsuite.plugins._transformers import preprocess

    found = preprocess({"image_mean": (0.5,) * 3, "image_std": (0.5,) * 3, "resample": 3, **processor}, "hf:x/y")
    assert (found.resize, found.crop, found.interpolation) == (*wanted, "bicubic")


def test_what_a_preprocess_cannot_express_is_refused() -> None:
    from benchsuite.plugins._transformers import preprocess

    usual = {"image_mean": (0.5,) * 3, "image_std": (0.5,) * 3, "size": {"height": 32, "width": 32}}
    for change in (
        {"do_pad": True},
        {"size": {"height": 32, "width": 48}},
        {"rescale_factor": 0.5},
        {"do_resize": False},
    ):
        with pytest.raises(BadParameter):
            preprocess(usual | change, "hf:x/y")


def test_a_name_without_an_organisation_or_folder_is_an_error_of_one_line(vit: Path) -> None:
    for name in ("hf:resnet", f"hf:{vit.parent}/no"):
        with pytest.raises(UnknownName) as caught:
            CATALOG.architecture(name)
        assert "\n" not in str(caught.value)
