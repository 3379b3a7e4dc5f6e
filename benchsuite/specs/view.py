"""Views: the crops and sizes that a protocol evaluates, as frozen values that are known before any image is read."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from benchsuite.errors import BadParameter, expected
from benchsuite.specs.perturbation import (
    Perturbation,
    describe_perturbation,
    perturbation_data,
    perturbation_from_data,
)

Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
LongSide = Literal["floor", "round"]
Rounding = Literal["round", "ceil", "floor"]
Border = Literal["zero", "reflect"]
Spatial = Literal["mean", "gap", "prob", "avgmax"]

POSITIONS: dict[str, tuple[float, float]] = {
    "top-left": (0.0, 0.0),
    "top-right": (0.0, 1.0),
    "bottom-left": (1.0, 0.0),
    "bottom-right": (1.0, 1.0),
    "center": (0.5, 0.5),
}


@dataclass(frozen=True, slots=True)
class Crop:
    """A square of ``size`` pixels cut from the resized image.

    ``position`` is a name of ``POSITIONS`` or a pair of fractions (down, right) of the free margin; ``shift`` moves
    the square by whole pixels (down, right) afterwards; ``rounding`` says what happens to half a pixel of margin:
    ``round`` is torchvision's rule (half to even), ``ceil`` is that of fb.resnet.torch.
    """

    size: int
    position: str | tuple[float, float] = "center"
    shift: tuple[int, int] = (0, 0)
    rounding: Rounding = "round"

    def __post_init__(self) -> None:
        if self.size < 1:
            raise BadParameter(expected("crop", "a positive number of pixels", self.size))
        if isinstance(self.position, str) and self.position not in POSITIONS:
            raise BadParameter(expected("crop position", f"one of {', '.join(POSITIONS)}", self.position))
        if not all(0.0 <= f <= 1.0 for f in self.fractions):
            raise BadParameter(expected("crop position", "two fractions in 0..1", self.position))
        _one_of("rounding", self.rounding, Rounding)

    @property
    def fractions(self) -> tuple[float, float]:
        """(down, right) in 0..1 of the free margin."""
        return POSITIONS[self.position] if isinstance(self.position, str) else self.position


@dataclass(frozen=True, slots=True)
class View:
    """One input to the network made from an image: resized, then optionally padded, mirrored and cropped.

    ``resize`` is the length of the shorter side in pixels, or (height, width) to ignore the aspect ratio. The image is
    mirrored before it is cropped, as in torchvision's TenCrop. ``crop=None`` takes the whole resized image. ``dense``
    makes a score map with a window as large as the feature map at ``nominal`` pixels, moved at stride 1; ``spatial``
    says how the map becomes one score: ``mean`` of logits (VGG, He et al.), ``gap`` (one global pooling, no window),
    ``prob`` (mean of softmax over places), ``avgmax`` (half mean, half maximum, as timm's TestTimePoolHead).
    ``perturbation`` changes the mirrored crop before it is normalised. ``pad`` pixels are added on each side of the
    resized image before it is cropped: ``border`` is black (zero) or reflects the image, without its outermost pixels.
    A perturbation of the whole image comes before the border.
    """

    resize: int | tuple[int, int]
    crop: Crop | None = None
    flip: bool = False
    dense: bool = False
    nominal: int = 0
    spatial: Spatial = "mean"
    interpolation: Interpolation = "bilinear"
    antialias: bool = True
    long_side: LongSide = "floor"
    perturbation: Perturbation | None = None
    pad: int = 0
    border: Border = "zero"

    def __post_init__(self) -> None:
        sides = self.resize if isinstance(self.resize, tuple) else (self.resize,)
        if any(s < 1 for s in sides):
            raise BadParameter(expected("resize", "a positive number of pixels", self.resize))
        if not isinstance(self.crop, Crop | None):
            raise BadParameter(expected("crop of a view", f"a Crop, such as Crop({self.crop})", self.crop))
        _one_of("border", self.border, Border)
        self._check_pad(min(sides))
        if self.crop is not None and self.crop.size > min(sides) + 2 * self.pad:
            rule = f"at most the shorter side of {min(sides) + 2 * self.pad} pixels"
            where = "its border included" if self.pad else "nothing is padded"
            raise BadParameter(expected("crop", rule, self.crop.size, where))
        if self.dense and self.crop is not None:
            raise BadParameter(expected("a dense view", "of the whole image", f"a crop of {self.crop.size}"))
        if self.dense and not 0 < self.nominal <= min(sides):
            raise BadParameter(
                expected("the shorter side of a dense view", f"at least the nominal crop of {self.nominal}", min(sides))
            )
        if self.dense and self.attacked:
            got = f"{self.perturbation.name if self.perturbation else ''} of a whole image, as it makes a score map"
            raise BadParameter(expected("a view that needs the gradient", "a crop", got))
        _one_of("spatial", self.spatial, Spatial)
        _one_of("interpolation", self.interpolation, Interpolation)
        _one_of("long_side", self.long_side, LongSide)
        if not self.antialias and self.interpolation not in ("nearest", "bilinear", "bicubic"):
            raise BadParameter(
                expected("interpolation", "nearest, bilinear or bicubic without antialias", self.interpolation)
            )

    def _check_pad(self, short: int) -> None:
        most = short - 1 if self.border == "reflect" else None
        if self.pad < 0 or (most is not None and self.pad > most):
            rule = f"0 to {most} pixels, as the reflected image has {short}" if most is not None else "0 pixels or more"
            raise BadParameter(expected("pad", rule, self.pad))
        if self.pad and self.crop is None:
            raise BadParameter(expected("a view with a border", "a crop", "the whole image"))

    @property
    def attacked(self) -> bool:
        """Whether the perturbation needs the gradient of the network's loss."""
        return self.perturbation is not None and self.perturbation.needs == "gradient"

    @property
    def early_crop(self) -> Crop | None:
        """The crop that is cut before the pixels reach the device; None if a perturbation needs the whole image."""
        return None if self.perturbation is not None and self.perturbation.on == "image" else self.crop

    def pixels(self, height: int, width: int) -> int:
        """How many pixels of an image of size (height, width) a network sees in this view."""
        if self.crop is not None:
            return self.crop.size**2
        rows, columns = resized_shape(height, width, self)
        return rows * columns


def resized_shape(height: int, width: int, view: View) -> tuple[int, int]:
    """(height, width) of an image after the view's resize. ``long_side`` says how the longer side is rounded.

    An image whose shorter side has the wanted length is not resized, as in torchvision and fb.resnet.torch.
    """
    if isinstance(view.resize, tuple):
        return view.resize
    short, long = sorted((height, width))
    if short == view.resize:
        return height, width
    exact = view.resize * long / short
    longer = max(int(exact) if view.long_side == "floor" else math.floor(exact + 0.5), view.resize)
    return (view.resize, longer) if height <= width else (longer, view.resize)


def resize_of(view: View) -> tuple[Any, ...]:
    """What decides the pixels of an image after the view's resize, which two views of the same value share."""
    return view.resize, view.interpolation, view.antialias, view.long_side


def five(size: int, rounding: Rounding = "round") -> Iterator[Crop]:
    """The four corners and the centre, in torchvision's FiveCrop order."""
    for position in POSITIONS:
        yield Crop(size, position, rounding=rounding)


def grid(size: int, steps: int, rounding: Rounding = "round") -> Iterator[Crop]:
    """``steps`` x ``steps`` crops spread evenly over the image, row by row; with ``steps=1`` only the centre."""
    if steps < 1:
        raise BadParameter(expected("grid", "at least 1", steps))
    places = [i / (steps - 1) for i in range(steps)] if steps > 1 else [0.5]
    for down in places:
        for right in places:
            yield Crop(size, (down, right), rounding=rounding)


def flips(wanted: bool) -> tuple[bool, ...]:
    """(False, True) with mirror images, (False,) without."""
    return (False, True) if wanted else (False,)


def view_data(view: View) -> dict[str, Any]:
    """The view as plain JSON data, as used in keys and manifests; perturbation and border only where there is one."""
    data = dataclasses.asdict(dataclasses.replace(view, perturbation=None))
    del data["perturbation"]
    if not view.pad:
        del data["pad"], data["border"]
    return data | ({"perturbation": perturbation_data(view.perturbation)} if view.perturbation is not None else {})


def view_from_data(data: dict[str, Any]) -> View:
    """The inverse of ``view_data``, for data that has been through JSON."""
    fields = dict(data)
    if isinstance(fields["resize"], list):
        fields["resize"] = tuple(fields["resize"])
    if fields["crop"] is not None:
        crop: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields["crop"].items()}
        fields["crop"] = Crop(**crop)
    if fields.get("perturbation") is not None:
        fields["perturbation"] = perturbation_from_data(fields["perturbation"])
    return View(**fields)


def describe(view: View) -> str:
    """The view in one readable line: ``short side 256 bilinear, crop 224 top-left, mirrored``."""
    if isinstance(view.resize, tuple):
        size = f"resize to {view.resize[0]}x{view.resize[1]}"
    else:
        size = f"short side {view.resize}"
    words = [f"{size} {view.interpolation}{'' if view.antialias else ' without antialias'}"]
    if view.pad:
        words.append(f"border of {border_words(view.pad, view.border)}")
    if view.crop is not None:
        position = view.crop.position
        place = position if isinstance(position, str) else f"at {position[0]:g}, {position[1]:g}"
        shift = f" shifted {view.crop.shift[0]:+d}, {view.crop.shift[1]:+d}" if any(view.crop.shift) else ""
        words.append(f"crop {view.crop.size} {place}{shift}")
    else:
        words.append("whole image")
    if view.dense:
        words.append(f"dense, window of {view.nominal}, {view.spatial}")
    if view.flip:
        words.append("mirrored")
    if view.perturbation is not None:
        words.append(describe_perturbation(view.perturbation))
    return ", ".join(words)


def border_words(pad: int, border: str) -> str:
    """``4 pixels, reflected``; ``4 pixels, black``."""
    return f"{pad} pixels, {'reflected' if border == 'reflect' else 'black'}"


def distinct(views: Iterable[View]) -> tuple[View, ...]:
    """The views without repeats, in the order of their first appearance."""
    return tuple(dict.fromkeys(views))


def _one_of(what: str, value: str, choices: Any) -> None:
    if value not in get_args(choices):
        raise BadParameter(expected(what, f"one of {', '.join(get_args(choices))}", value))
