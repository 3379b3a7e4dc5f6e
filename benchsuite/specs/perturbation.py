"""Perturbations: how a view's pixels are changed between the crop and the normalisation, as frozen values."""

from __future__ import annotations

import dataclasses
import pkgutil
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal, get_args

from benchsuite.errors import BadParameter, expected

Needs = Literal["pixels", "ids", "gradient"]
Extent = Literal["crop", "image"]

_PLACE = re.compile(r"[\w.]+:[\w.]+")


@dataclass(frozen=True, slots=True)
class Perturbation:
    """A change of a view's pixels, applied on the device after the crop and before the normalisation.

    ``change(pixels, batch, **parameters)`` takes and returns float32 (n, 3, h, w) in [0, 1], RGB. ``batch`` is a
    ``PerturbedBatch``. ``needs`` says what ``change`` depends on: ``pixels`` alone; also the ``ids`` of the images,
    from which random numbers are drawn; or also their labels and the ``gradient`` of the network's loss. ``on="image"``
    changes the whole resized image, from which the view is cropped afterwards.

    ``reference(pixels, image, **parameters)`` is the same in NumPy for one image, float64 (h, w, 3). It draws the
    pictures of a report, and the conformance kit compares it with ``change``. ``image`` is a ``PerturbedImage``.

    ``change`` and ``reference`` are functions of a module, or their places as text, ``package.module:function``, which
    is how they are kept. The module is imported when the function is first used. ``revision`` is increased when a
    function changes, so that old results are not used as new ones. Values of ``parameters`` are whole numbers,
    fractions, texts or true and false.
    """

    name: str
    change: Callable[..., Any] | str
    parameters: tuple[tuple[str, Any], ...] = ()
    needs: Needs = "pixels"
    on: Extent = "crop"
    reference: Callable[..., Any] | str = ""
    revision: int = 0

    def __post_init__(self) -> None:
        for what, value, choices in (("needs", self.needs, Needs), ("on", self.on, Extent)):
            if value not in get_args(choices):
                raise BadParameter(expected(what, f"one of {', '.join(get_args(choices))}", value))
        if self.needs == "gradient" and self.on == "image":
            raise BadParameter(expected(f"on of {self.name}", "crop, as the network sees crops", "image"))
        for field in ("change", "reference"):
            object.__setattr__(self, field, _place(getattr(self, field), f"{field} of {self.name}", field == "change"))
        for name, value in self.parameters:
            if not isinstance(value, bool | int | str | Fraction):
                rule = "a whole number, a fraction, a text, true or false"
                raise BadParameter(expected(f"the parameter {name} of {self.name}", rule, value))

    def function(self, field: Literal["change", "reference"] = "change") -> Callable[..., Any]:
        """The function ``change`` or ``reference``. Raises ``BadParameter`` if its module has no such function."""
        place = str(getattr(self, field))
        try:
            found: Callable[..., Any] = pkgutil.resolve_name(place)
        except (ImportError, AttributeError, ValueError) as error:
            got = f"{place or 'nothing'}: {error}"
            raise BadParameter(expected(f"{field} of {self.name}", "a function of a module", got)) from error
        return found

    @property
    def keywords(self) -> dict[str, Any]:
        """The parameters as keyword arguments of ``change`` and ``reference``."""
        return dict(self.parameters)


def perturbation_data(perturbation: Perturbation) -> dict[str, Any]:
    """The perturbation as plain JSON data, as used in keys and manifests. Fractions are texts such as ``8/255``."""
    data = {f.name: getattr(perturbation, f.name) for f in dataclasses.fields(perturbation)}
    values = {k: f"{v.numerator}/{v.denominator}" if isinstance(v, Fraction) else v for k, v in perturbation.parameters}
    return data | {"parameters": values}


def perturbation_from_data(data: dict[str, Any]) -> Perturbation:
    """The inverse of ``perturbation_data``."""
    parameters = tuple((k, _value(v)) for k, v in data["parameters"].items())
    return Perturbation(**{**data, "parameters": parameters})


def describe_perturbation(perturbation: Perturbation) -> str:
    """The perturbation in words: ``lowpass r=12, rule=le``."""
    words = ", ".join(f"{k}={_shown(v)}" for k, v in perturbation.parameters)
    whole = " of the whole image" if perturbation.on == "image" else ""
    return f"{perturbation.name}{whole} {words}".strip()


def short_names(perturbations: Sequence[Perturbation]) -> tuple[str, ...]:
    """A short name for each, as in the columns of a table: ``lowpass r=12``, the name and the numbers among parameters.

    Perturbations whose short names would be equal are described in full.
    """
    short = [
        " ".join([p.name, *(f"{k}={_shown(v)}" for k, v in p.parameters if type(v) in (int, Fraction))])
        for p in perturbations
    ]
    return tuple(
        name if short.count(name) == 1 else describe_perturbation(p)
        for name, p in zip(short, perturbations, strict=True)
    )


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return decimal(value) if isinstance(value, Fraction) else str(value)


def decimal(value: Fraction) -> str:
    """A fraction as a user types it: as a decimal number if that is exact in 6 places, else ``8/255``."""
    text = f"{float(value):.6f}".rstrip("0").rstrip(".")
    return text if Fraction(text) == value else str(value)


def _place(function: Any, what: str, required: bool) -> str:
    """The place of a function as text."""
    if isinstance(function, str):
        if not (_PLACE.fullmatch(function) or (not function and not required)):
            raise BadParameter(expected(what, "written package.module:function", function or "nothing"))
        return function
    name = getattr(function, "__qualname__", "<lambda>")
    if "<" in name or not hasattr(function, "__module__"):
        raise BadParameter(expected(what, "a function of a module, which other processes can import", name))
    return f"{function.__module__}:{name}"


def _value(value: Any) -> Any:
    return Fraction(value) if isinstance(value, str) and re.fullmatch(r"-?\d+/\d+", value) else value
