"""Seconds of three protocols in one run, against the same three written with torchvision, one after the other.

``python benchmarks/protocols.py imagenet:PATH [--limit 100] [--rounds 3] [--architecture NAME] [--compile]``

``10crop``, ``fullconv`` and ``multiscale`` by ``benchsuite run``, from files to counts, in float32 and as
``--precision auto`` chooses, its check included; against TenCrop, and Resize with one image at a time for score maps,
in float32 and torch's default layout. The counts have to be the same.
"""

from __future__ import annotations

from plain import compare

if __name__ == "__main__":
    compare(__doc__, ("10crop", "fullconv", "multiscale"))
