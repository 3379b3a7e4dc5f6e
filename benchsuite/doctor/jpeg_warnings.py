"""What libjpeg warns of while it decodes, which Pillow does not pass on: damaged files decode to wrong pixels."""

from __future__ import annotations

from benchsuite.data.places import sample_stream
from benchsuite.errors import first_line
from benchsuite.specs.dataset import Sample

UNSUPPORTED = ("Unsupported", "tj")
"""How messages begin that say that the library does not decode a kind of file; they say nothing about damage."""


def available() -> bool:
    """Whether the library that passes the warnings on is installed."""
    try:
        import simplejpeg  # noqa: F401
    except ImportError:
        return False
    return True


def jpeg_warning(sample: Sample) -> str:
    """The warning with which a sample's JPEG file decodes; empty if there is none.

    Of 300 ImageNet files with 40 random bytes at a random place, 66 % decode with a warning or an error. The others are
    in step again before the next marker, which no decoder notices.
    """
    import simplejpeg

    stream = sample_stream(sample)
    if stream is None:
        return ""
    with stream:
        content = stream.read()
    try:
        simplejpeg.decode_jpeg(content, colorspace="GRAY", strict=True)
    except ValueError as error:
        message = first_line(error)
        return "" if message.startswith(UNSUPPORTED) else message
    return ""
