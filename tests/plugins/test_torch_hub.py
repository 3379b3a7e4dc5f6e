"""Tests of networks of torch.hub: a local folder, and repositories that are not trusted."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from benchsuite import BenchsuiteError, UnknownName, load_plugins

CATALOG = load_plugins(entry_points=False)
CONF = """
from torch import nn
def tiny(num_classes=10, pretrained=True):
    assert not pretrained
    print("a word on stdout")
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, num_classes))
def plain(num_classes=10):
    return tiny(num_classes, False)
def none():
    return None
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hubconf.py").write_text(CONF)
    return tmp_path


@pytest.mark.parametrize("name", ["tiny", "plain"])
def test_a_local_folder_is_loaded_without_its_weights_and_prints_nothing(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = CATALOG.architecture(f"hub:{folder}:{name}").build(7)
    assert network(torch.zeros(2, 3, 8, 8)).shape == (2, 7)
    assert capsys.readouterr().out == ""


def test_another_file_of_the_repository_is_another_code(folder: Path) -> None:
    first = CATALOG.architecture(f"hub:{folder}:tiny").code
    (folder / "layers.py").write_text("x = 1\n")
    assert CATALOG.architecture(f"hub:{folder}:tiny").code != first


def test_a_repository_must_be_trusted_before(isolated: Path) -> None:
    with pytest.raises(UnknownName, match="Expected the repository some/repo to be trusted by torch"):
        CATALOG.architecture("hub:some/repo:net")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hub:net", "written hub:OWNER/REPO:NAME or hub:./FOLDER:NAME"),
        ("hub:repo:net", "Expected a repository of torch.hub to be written OWNER/REPO, got repo"),
        ("hub:./no/such/folder:net", "Expected a folder of torch.hub to be one with a hubconf.py"),
    ],
)
def test_a_wrong_name_is_an_error_of_one_line(name: str, said: str) -> None:
    with pytest.raises(UnknownName) as caught:
        CATALOG.architecture(name)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"), [("none", "callable with num_classes"), ("tinyy", "Cannot find callable tinyy")]
)
def test_a_function_that_cannot_build_is_an_error_of_one_line(name: str, said: str, folder: Path) -> None:
    with pytest.raises(BenchsuiteError) as caught:
        CATALOG.architecture(f"hub:{folder}:{name}").build(7)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
