"""The views of images on a device: a decoded image goes up once, and is resized and cut there, to the same bits."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from benchsuite.data import resize as resizing
from benchsuite.data.prefetch import reserve
from benchsuite.data.resize import Square
from benchsuite.models.memory import lacks_memory
from benchsuite.models.resize.check import difference, pillow
from benchsuite.models.resize.coefficients import coefficients, passes
from benchsuite.models.resize.resampling import kept_on_device, resized, sent
from benchsuite.models.transfer import DirectTransfer, OverlappedTransfer
from benchsuite.specs.view import View

HELD, SHARE = 2**31, 8
"""Upper bound in bytes on decoded images that wait to be resized; on CUDA also this part of the device's memory."""

TOGETHER = 2**26
"""Upper bound in bytes on the images of one size that are resized together, and on their results; at least one."""


class DeviceViews:
    """Makes batches of views on the device of a transfer. Threads may share it.

    ``refused`` says why the host resizes, if it does: the device's resize has other bits than the installed Pillow's,
    or the device had no memory left. ``on_device`` and ``on_host`` count images by where they are resized.
    """

    def __init__(self, transfer: DirectTransfer | OverlappedTransfer) -> None:
        """Compares a few resizes on the device with Pillow's before any image is read."""
        self.transfer, self.refused = transfer, difference(transfer.device)
        self.on_device, self.on_host, self._process = 0, 0, os.getpid()
        self._held, self._limit, self._changing = 0, _limit(transfer.device), threading.RLock()

    def image(self, image: Any, scales: Sequence[tuple[View, int, int]], seen: int) -> DeviceImage | None:
        """Takes a decoded Pillow image or uint8 array, to resize it to ``scales``, (view, height, width), there.

        None if the host is to do it: if less goes up then, as there is nothing to resize and the views have fewer
        pixels (``seen``) than the image; if too many bytes wait; if the device's resize is ``refused``; or in a process
        of a loader, which cannot use the device. A ``ResidentImage`` is there already: only what has to be resized may
        be refused.

        Called in the thread that read the image. Raises ``TooLarge`` as ``data.resize.resize`` does.
        """
        height, width = resizing.size(image)
        whole = all((high, wide) == (height, width) for _, high, wide in scales)
        if isinstance(image, ResidentImage) and whole:
            return DeviceImage(self, image.pixels, 0)
        if os.getpid() != self._process or (seen <= height * width and whole):
            return None
        for view, high, wide in scales:
            resizing.refuse_large(resizing.size(image), (high, wide))
            for axis, size in passes(height, width, high, wide, pillow()) if resizing.by_pillow(view) else ():
                coefficients((height, width)[axis], size, view.interpolation)  # kept for the device's thread
        count = 0 if isinstance(image, ResidentImage) else 3 * height * width
        reserve(count)
        with self._changing:
            taken = not self.refused and self._held + count <= self._limit
            self._held += count * taken
            self.on_device, self.on_host = self.on_device + taken, self.on_host + (not taken)
        if not taken:
            return None
        pixels = image.pixels if isinstance(image, ResidentImage) else _waiting(image, self.transfer)
        return DeviceImage(self, pixels, count)

    def stacked(self, parts: Sequence[Any]) -> Any:
        """The pixels of a batch, of ``DeviceCut`` and uint8 arrays (h, w, 3), as one tensor (n, h, w, 3) on the device.

        If the device has no memory for it, the host makes the same pixels as an array, and resizes all later images.
        """
        try:
            with self.transfer.preparing():
                return self._stacked(parts)
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
        self.refused = self.refused or "the device had no memory left for it"
        if self.transfer.device.type == "cuda":
            torch.cuda.empty_cache()
        with self.transfer.preparing():  # an image that is there already comes back after it has arrived
            return np.stack([p.on_host() if isinstance(p, DeviceCut) else p for p in parts])

    def give_back(self, count: int) -> None:
        """Notes that an image of this many bytes no longer waits."""
        with self._changing:
            self._held -= count

    def _stacked(self, parts: Sequence[Any]) -> Any:
        rows, groups = [*parts], dict[Any, dict[DeviceImage, list[int]]]()
        for i, part in enumerate(parts):
            if isinstance(part, DeviceCut):
                groups.setdefault((part.image.shape, part.scale), {}).setdefault(part.image, []).append(i)
        arrays = [i for i, part in enumerate(parts) if not isinstance(part, DeviceCut)]  # which the host has made
        if arrays:
            for i, row in zip(arrays, sent(np.stack([parts[i] for i in arrays]), self.transfer.device), strict=True):
                rows[i] = row
        for (shape, scale), images in groups.items():
            step = max(1, TOGETHER // (3 * max(shape[0] * shape[1], scale[0] * scale[1])))
            for start in range(0, len(images), step):
                some = [*images][start : start + step]
                for image, whole in zip(some, _resized(some, scale), strict=True):
                    for i in images[image]:
                        rows[i] = parts[i].of(whole)
        return torch.stack(rows)


class ResidentImage:
    """An image, uint8 (h, w, 3), that stays on a device for all networks, so that nothing of it goes up again.

    Raises torch's own error if the device has no memory for it.
    """

    __slots__ = ("nbytes", "pixels", "shape")

    def __init__(self, image: Any, device: str) -> None:
        """Copies an array there, and waits for it: any stream may read it from then on."""
        self.shape, self.nbytes = image.shape, image.nbytes
        self.pixels = torch.from_numpy(image if image.flags.writeable else image.copy()).to(device)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """A copy on the host."""
        return np.asarray(self.pixels.cpu().numpy(), dtype)


class DeviceImage:
    """A decoded image, uint8 (h, w, 3), that waits on the host, or on the device once a view of it was needed there.

    ``held`` bytes count in the bound of its ``DeviceViews`` as long as it exists.
    """

    def __init__(self, views: DeviceViews, pixels: Any, held: int) -> None:
        self.shape, self.device, self._views = tuple(pixels.shape[:2]), views.transfer.device, views
        self._pixels, self._held = pixels, held

    def __del__(self) -> None:
        self._views.give_back(self._held)

    def scaled(self, height: int, width: int, view: View) -> DeviceScale:
        """The image as the view resizes it."""
        return DeviceScale(self, height, width, view)

    def on_device(self) -> Any:
        """The image on the device, where it stays."""
        self._pixels = self._pixels.to(self.device, non_blocking=True)
        return self._pixels

    def on_host(self) -> Any:
        """The image as an array on the host."""
        return self._pixels.cpu().numpy()


class DeviceScale:
    """A ``DeviceImage`` in one of its sizes."""

    def __init__(self, image: DeviceImage, height: int, width: int, view: View) -> None:
        self.image, self.size, self.view = image, (height, width), view

    def cut(self, view: View, at: Square | None) -> DeviceCut:
        """The part of it that a view shows; ``at`` as for ``data.resize.cut``."""
        return DeviceCut(self, view, at)


class DeviceCut:
    """The pixels of a view before the device has made them; ``shape`` is (h, w, 3)."""

    __slots__ = ("at", "image", "scale", "shape", "view")

    def __init__(self, whole: DeviceScale, view: View, at: Square | None) -> None:
        self.image, self.view, self.at = whole.image, view, at
        self.scale = (*whole.size, whole.view.interpolation)
        self.shape = (*(whole.size if at is None else at[2:] * 2), 3)

    def of(self, whole: Any) -> Any:
        """The part of the resized image on the device, (H, W, 3) -> (h, w, 3); a slice where there is no border."""
        if self.at is None:
            return whole
        top, left, side = self.at
        if not self.view.pad:
            return whole[top : top + side, left : left + side]
        for axis, start in enumerate((top, left)):
            index, inside = _reach(start, whole.shape[axis], side, whole.device)
            whole = whole.index_select(axis, index)
            if self.view.border == "zero":
                whole = whole * inside.to(torch.uint8).view(-1, *[1] * (2 - axis))
        return whole

    def on_host(self) -> Any:
        """The same pixels, made by Pillow."""
        height, width, _ = self.scale
        return resizing.cut(resizing.resize(self.image.on_host(), height, width, self.view), self.view, self.at)


def _resized(images: Sequence[DeviceImage], scale: tuple[int, int, str]) -> Sequence[Any]:
    """Images of one size, each (height, width, 3), resized together."""
    height, width, interpolation = scale
    if images[0].shape == (height, width):
        return [image.on_device() for image in images]
    return [*resized(torch.stack([image.on_device() for image in images]), height, width, interpolation, pillow())]


def _waiting(image: Any, transfer: DirectTransfer | OverlappedTransfer) -> Any:
    """A tensor of the image's pixels on the host, in pinned memory for CUDA if there is any."""
    pixels = np.asarray(image)
    if transfer.device.type == "cuda":
        try:
            with transfer.chosen():
                pinned = torch.empty(pixels.shape, dtype=torch.uint8, pin_memory=True)
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
        else:
            np.copyto(pinned.numpy(), pixels)
            return pinned
    return torch.from_numpy(pixels if pixels.flags.writeable else pixels.copy())


def _reach(start: int, side: int, size: int, device: Any) -> Any:
    """``data.resize.reach`` on the device, int64 (2, size): the indices, and 1 where the image is."""
    return kept_on_device(_reach_on_host, (start, side, size), device)


def _reach_on_host(start: int, side: int, size: int) -> Any:
    return np.stack(resizing.reach(start, side, size))


def _limit(device: Any) -> int:
    if device.type != "cuda":
        return HELD
    return min(HELD, int(torch.cuda.get_device_properties(device).total_memory) // SHARE)
