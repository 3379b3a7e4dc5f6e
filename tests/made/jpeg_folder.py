"""A folder of pictures in every form that a data set has: kinds of JPEG, other formats, and damaged files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image


def picture(seed: int = 0, height: int = 40, width: int = 56) -> Any:
    """A smooth picture, which JPEG keeps well, with some noise."""
    chance = np.random.default_rng(seed)
    down, right = np.mgrid[0:height, 0:width]
    levels = (255 * down / height, 255 * right / width, 128 + 100 * np.sin((down + right) / 5))
    noise = chance.integers(-20, 20, (height, width, 3))
    return Image.fromarray((np.stack(levels, axis=2) + noise).clip(0, 255).astype(np.uint8))


def encoded(image: Any, form: str = "JPEG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def kinds() -> dict[str, bytes]:
    """Whole files by name."""
    image = picture()
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees, which the reference decoder ignores
    return {
        "plain.jpg": encoded(image),
        "444.jpg": encoded(picture(1), subsampling=0, quality=95),
        "progressive.jpg": encoded(picture(2), progressive=True),
        "restarts.jpg": encoded(picture(3), restart_marker_blocks=2),
        "grey.jpg": encoded(picture(4).convert("L")),
        "turned.jpg": encoded(picture(5), exif=exif),
        "trailing.jpg": encoded(picture(6)) + b"\0" * 40,
        "cmyk.jpg": encoded(picture(7).convert("CMYK")),
        "rgb.jpg": encoded(picture(8), keep_rgb=True),
        "odd.jpg": encoded(picture(9, 37, 23)),
        "colours.png": encoded(picture(10), "PNG"),
        "palette.gif": encoded(picture(11), "GIF"),
    }


PLAIN = {f"{n}.jpg" for n in ("plain", "444", "progressive", "restarts", "grey", "turned", "trailing", "odd")}
"""The names of those that every decoder reads alike."""


def damaged() -> dict[str, bytes]:
    """Files that the reference decoder refuses, by what is wrong with them."""
    whole = encoded(picture(12, 200, 300), quality=95)
    deep = Image.fromarray(np.arange(1600, dtype=np.uint16).reshape(40, 40) * 40)
    return {
        "half.jpg": whole[: len(whole) // 2],
        "head.jpg": whole[:300],
        "text.jpg": b"\xff\xd8\xff" + b"no picture" * 20,
        "deep.png": encoded(deep, "PNG"),
    }


def folder(root: Path, files: dict[str, bytes]) -> Path:
    """Class folders with these files, every second one in the same class."""
    for number, (name, content) in enumerate(sorted(files.items())):
        place = root / ("even" if number % 2 == 0 else "odd") / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    for name in ("even", "odd"):  # each class needs an image
        if not (root / name).is_dir():
            (root / name).mkdir()
            (root / name / "zzz.png").write_bytes(encoded(picture(99), "PNG"))
    return root
