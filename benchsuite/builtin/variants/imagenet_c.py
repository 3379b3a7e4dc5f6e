"""``imagenet-c:PATH``: ImageNet's validation images under 19 corruptions of 5 severities, as one set."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from benchsuite import Census, DataError, Dataset, Split, SplitName, class_folders, expected, hookimpl, imagenet_classes
from benchsuite.builtin.variants._corruptions import CORRUPTIONS, GROUPS, MCE, SEVERITIES

DOWNLOAD = (
    "get the tar files of https://zenodo.org/record/2235448 and unpack them; PATH holds CORRUPTION/SEVERITY/WNID/*.JPEG"
)


def open_imagenet_c(path: str | None, split: SplitName) -> Split:
    """The images of ``PATH/CORRUPTION/SEVERITY/WNID``: all of them, or the corruptions and severities that are there.

    Raises ``DataError`` also for a folder that is no corruption or severity.
    """
    if split == "train":
        raise DataError(expected("the split of imagenet-c", "test, its only split", split))
    classes = imagenet_classes()
    whole = class_folders("imagenet-c", path, classes.names, classes.index, groups=GROUPS, download=DOWNLOAD)
    for corruption, severity in dict.fromkeys(sample.groups for sample in whole.samples):
        if corruption not in CORRUPTIONS or severity not in SEVERITIES:
            rule = f"CORRUPTION/SEVERITY, such as {CORRUPTIONS[0]}/1"
            where = str(Path(str(path), corruption))
            raise DataError(expected("a folder of imagenet-c", rule, f"{corruption}/{severity}", where))
    return whole


IMAGENET_C = Dataset(
    "imagenet-c",
    open=open_imagenet_c,
    mirror=True,
    note=(
        "ImageNet's validation images under 19 corruptions of 5 severities; errors are counted by corruption and "
        "severity. The images have 224 x 224 pixels: -p 1crop:resize=224,crop=224 takes them whole, as the authors' "
        "test.py does"
    ),
    source="https://github.com/hendrycks/robustness, README.md and ImageNet-C/test.py",
    download=DOWNLOAD,
    census=(Census("test", len(CORRUPTIONS) * len(SEVERITIES) * 50_000, 1_000, size=(224, 224), jpeg=True),),
    baseline=MCE,
)


@hookimpl
def benchsuite_datasets() -> Iterable[Dataset]:
    """ImageNet-C."""
    return [IMAGENET_C]
