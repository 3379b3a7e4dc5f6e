"""The coloured patches with groups: the light, ``day`` or ``night``, and the place, ``a``, ``b`` or ``c``."""

from __future__ import annotations

import dataclasses
from fractions import Fraction
from typing import Any

from colour_patches import PatchesPlugin, open_patches

from benchsuite import Baseline, Dataset, hookimpl, load_plugins

NAMES = ("light", "place")
BASELINE = Baseline("relative error", "light", (("day", Fraction(1, 2)), ("night", Fraction(3, 4))), 3, "an example")


def grouped(number: int) -> tuple[str, str]:
    """The groups of image ``number``: uneven, so that means over groups differ from those over images."""
    return ("night" if number % 3 else "day"), "abc"[number % 5 % 3]


class GroupedPlugin:
    """``grouped`` has both groups and a reference network; with the path ``light`` only one, and none with ``none``.

    ``breaks_at`` is the id of an image whose reading raises ``KeyboardInterrupt``, as Ctrl-C does.
    """

    __name__ = "grouped"
    breaks_at = ""

    def open(self, path: str | None, split: Any) -> Any:
        """The images with their groups."""
        whole = open_patches(None, split)
        names = {"light": NAMES[:1], "none": ()}.get(path or "", NAMES)
        samples = tuple(dataclasses.replace(s, groups=grouped(i)[: len(names)]) for i, s in enumerate(whole.samples))

        def read(sample: Any) -> Any:
            if sample.id == self.breaks_at:
                raise KeyboardInterrupt
            return whole.read(sample)

        return dataclasses.replace(whole, samples=samples, read=read, groups=names)

    @hookimpl
    def benchsuite_datasets(self) -> tuple[Dataset, ...]:
        shared: dict[str, Any] = {"mirror": True, "note": "Patches.", "source": "None.", "path": "optional"}
        return (
            Dataset("grouped", self.open, **shared),
            Dataset("related", self.open, **shared, baseline=BASELINE),
        )


PLUGIN = GroupedPlugin()
CATALOG = load_plugins(entry_points=False, extra=[PatchesPlugin(), PLUGIN])
