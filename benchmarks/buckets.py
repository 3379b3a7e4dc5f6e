"""Seconds of ``multiscale`` with images of equal shape in batches, against one image at a time.

``python benchmarks/buckets.py imagenet:PATH [--limit 100] [--rounds 3] [--plain-precision bf16]``

Five scales and their mirror images by ``benchsuite run``, in float32 and as ``--precision auto`` chooses; against a
loop over images and scales in torch's default layout. The counts have to be the same.
"""

from __future__ import annotations

from plain import compare

if __name__ == "__main__":
    compare(__doc__, ("multiscale",))
