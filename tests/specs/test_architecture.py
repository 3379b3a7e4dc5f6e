"""Tests of architectures and families as declared values."""

from __future__ import annotations

from benchsuite import Family, Input


def test_a_family_is_listed_by_its_prefix() -> None:
    assert Family("timm", resolve=lambda name: None, names=lambda: ()).name == "timm:NAME"  # type: ignore[arg-type,return-value]


def test_a_network_takes_colour_images_of_any_size_unless_it_says_otherwise() -> None:
    assert Input() == Input(channels=3, fixed=False)
