"""``imagenet-sketch:PATH``: sketches of ImageNet's 1000 classes."""

from __future__ import annotations

from collections.abc import Iterable

from benchsuite import Census, DataError, Dataset, Split, SplitName, class_folders, expected, hookimpl, imagenet_classes

DOWNLOAD = "get the zip file that https://github.com/HaohanWang/ImageNet-Sketch links to; PATH holds WNID/*.JPEG"


def open_sketch(path: str | None, split: SplitName) -> Split:
    """The images of ``PATH/WNID``; files of the same name in several classes are told apart by ids ``WNID/NAME``."""
    if split == "train":
        raise DataError(expected("the split of imagenet-sketch", "test, its only split", split))
    classes = imagenet_classes()
    return class_folders("imagenet-sketch", path, classes.names, classes.index, download=DOWNLOAD)


SKETCH = Dataset(
    "imagenet-sketch",
    open=open_sketch,
    mirror=True,
    note="black and white sketches of ImageNet's 1000 classes, found by image search",
    source="https://github.com/HaohanWang/ImageNet-Sketch, README.md",
    download=DOWNLOAD,
    census=(Census("test", classes=1_000),),
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """ImageNet-Sketch."""
    return [SKETCH]
