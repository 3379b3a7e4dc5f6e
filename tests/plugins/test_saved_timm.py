"""Tests of models saved with timm in a folder: network, weights and preprocessing are those of their config.json."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch

from benchsuite import UnknownName, load_plugins

CATALOG = load_plugins(entry_points=False)


@pytest.fixture
def folder(tmp_path: Path) -> tuple[Path, torch.nn.Module]:
    """A small network with 5 classes, saved as timm saves it."""
    torch.manual_seed(0)
    model = timm.create_model("resnet10t", num_classes=5).eval()
    timm.models.save_for_hf(model, str(tmp_path / "saved"))
    return tmp_path / "saved", model


def test_a_folder_gives_the_saved_network(folder: tuple[Path, torch.nn.Module]) -> None:
    path, model = folder
    architecture = CATALOG.architecture(f"timm:local-dir:{path}")
    (weights,) = architecture.weights
    assert (weights.name, weights.classes) == ("saved", 5)
    config = model.pretrained_cfg
    assert (weights.preprocess.mean, weights.preprocess.interpolation) == (config["mean"], config["interpolation"])
    network = architecture.build(5).eval()
    network.load_state_dict(weights.load())
    image = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        torch.testing.assert_close(network(image), model(image))


def test_a_folder_that_timm_did_not_save_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(UnknownName) as caught:
        CATALOG.architecture(f"timm:local-dir:{tmp_path}")
    assert "Expected timm:local-dir:" in str(caught.value)
    assert "\n" not in str(caught.value)
