"""Seconds of three protocols in one run, compared with the same three written with torchvision, one after the other.

``python benchmarks/protocols.py imagenet:PATH [--limit 100] [--rounds 3] [--architecture NAME] [--compile]``

``benchsuite run`` evaluates ``10crop``, ``fullconv`` and ``multiscale`` from files to counts, in float32 and with
``--precision auto``, including its check. It is compared with torchvision's TenCrop, and with Resize and one image at a
time for score maps, in float32 and torch's default layout. The counts must be the same.
"""

from __future__ import annotations

from plain import compare

if __name__ == "__main__":
    compare(__doc__, ("10crop", "fullconv", "multiscale"))
