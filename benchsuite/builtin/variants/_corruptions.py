"""The corruptions of ImageNet-C, and AlexNet's errors under them."""

from __future__ import annotations

from fractions import Fraction

from benchsuite import Baseline

SEVERITIES = ("1", "2", "3", "4", "5")
GROUPS = ("corruption", "severity")

ALEXNET = {
    "gaussian_noise": "0.886428",
    "shot_noise": "0.894468",
    "impulse_noise": "0.922640",
    "defocus_blur": "0.819880",
    "glass_blur": "0.826268",
    "motion_blur": "0.785948",
    "zoom_blur": "0.798360",
    "snow": "0.866816",
    "frost": "0.826572",
    "fog": "0.819324",
    "brightness": "0.564592",
    "contrast": "0.853204",
    "elastic_transform": "0.646056",
    "pixelate": "0.717840",
    "jpeg_compression": "0.606500",
}
"""AlexNet's error under each of the 15 corruptions that mCE counts, averaged over the five severities."""

EXTRA = ("gaussian_blur", "saturate", "spatter", "speckle_noise")
"""The corruptions that mCE leaves out."""

CORRUPTIONS = (*ALEXNET, *EXTRA)

MCE = Baseline(
    "mCE",
    by="corruption",
    errors=tuple((name, Fraction(error)) for name, error in ALEXNET.items()),
    cells=len(SEVERITIES),
    source="AlexNet, ALEXNET_ERR in https://github.com/google-research/augmix, imagenet.py, commit 202cf4c",
)
