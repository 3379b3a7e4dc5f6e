"""Seconds of ``multiscale`` with batches of images of equal shape, compared with one image at a time.

``python benchmarks/multiscale.py imagenet:PATH [--limit 100] [--rounds 3] [--plain-precision bf16]``

``benchsuite run`` evaluates five scales and their mirror images, in float32 and with ``--precision auto``. It is
compared with a loop over images and scales in torch's default layout. The counts must be the same.
"""

from __future__ import annotations

from plain import compare

if __name__ == "__main__":
    compare(__doc__, ("multiscale",))
