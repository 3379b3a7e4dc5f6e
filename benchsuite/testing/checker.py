"""What all checks use: an error of one line that names the checked value."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from benchsuite.errors import BenchsuiteError, PluginError, expected
from benchsuite.specs.catalog import NAME
from benchsuite.specs.preprocess import Preprocess, center
from benchsuite.testing.defects import Defect


@dataclass(frozen=True, slots=True)
class Checker:
    """Checks one value that a plugin declares; ``where`` names the value in every error."""

    where: str

    def needs(self, holds: bool, what: str, rule: str, got: object, defect: str = "declaration") -> None:
        """Raises a ``Defect`` unless the condition holds; ``defect`` is its name, a key of ``DEFECTS``."""
        if not holds:
            raise Defect(expected(what, rule, got, self.where), defect)

    @contextmanager
    def runs(self, what: str) -> Iterator[None]:
        """Turns any exception inside the block into a ``PluginError`` of one line."""
        try:
            yield
        except Defect:
            raise
        except PluginError as error:  # it says what was expected, and of what
            raise Defect(f"{error} ({self.where})", "error") from error
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            raise Defect(expected(what, "without an error", reason, self.where), "error") from error

    def refuses(self, what: str, kind: type[BenchsuiteError], call: Callable[[], object]) -> None:
        """Checks that ``call`` raises an error of this kind, in one line."""
        try:
            call()
        except kind as error:
            self.needs("\n" not in str(error), f"the error for {what}", "one line", repr(str(error)))
        except Exception as error:
            self.needs(False, f"the error for {what}", f"a {kind.__name__}", f"{type(error).__name__}: {error}")
        else:
            self.needs(False, what, f"refused with {kind.__name__}", "no error")

    def declares(self, name: str, **texts: str) -> None:
        self.needs(NAME.fullmatch(name) is not None, "the name", "letters, digits and . _ -", name)
        for what, text in texts.items():
            self.needs(isinstance(text, str) and bool(text.strip()), what, "a text that is not empty", text)

    def preprocesses(self, p: Preprocess, channels: int | None) -> None:
        with self.runs("the centre crop of its preprocessing"):
            center(p)
        fits = len(p.mean) == len(p.std) and len(p.mean) in ((channels,) if channels else (1, 3))
        self.needs(fits, "mean and std", "one number for each channel", f"{len(p.mean)} and {len(p.std)}")
        finite = all(math.isfinite(m) for m in p.mean) and all(math.isfinite(s) and s > 0 for s in p.std)
        self.needs(finite, "mean and std", "finite, and std above 0", f"{p.mean} and {p.std}")
        self.needs(p.range in (1.0, 255.0), "range", "1.0 or 255.0", p.range)
        within = all(abs(m) <= p.range for m in p.mean) and all(s <= p.range for s in p.std)
        got = f"{p.mean} and {p.std}"
        self.needs(within, "mean and std", f"at most {p.range:g}, as range is", got, "preprocess-units")
        self.needs(p.channel_order in ("RGB", "BGR"), "channel_order", "RGB or BGR", p.channel_order)

    def is_image(self, value: Any) -> None:
        import numpy as np

        pixels = np.asarray(value)
        good = pixels.dtype == np.uint8 and pixels.shape[2:] == (3,) and pixels.size > 0
        self.needs(good, "an image", "uint8 (height, width, 3)", f"{pixels.dtype} {pixels.shape}")
