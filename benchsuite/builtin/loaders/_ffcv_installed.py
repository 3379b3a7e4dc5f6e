"""Whether ffcv can be imported, and what to install if it cannot."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from benchsuite import DataError, expected, first_line

LIBRARIES = "apt-get install -y g++ pkg-config libopencv-dev libturbojpeg0-dev"
PACKAGE = "pip install 'benchsuite[ffcv]'"
BUILD = "pip install --force-reinstall --no-deps --no-cache-dir --no-binary ffcv ffcv"
COMPILED = "ffcv._libffcv"


def check() -> None:
    """Imports ffcv. If that fails, raises ``DataError``, which says in one line what to install."""
    try:
        with torch_threads_kept(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            importlib.import_module("ffcv.fields")
            importlib.import_module("ffcv.loader")
    except Exception as error:  # numba and OpenCV fail in ways of their own
        raise DataError(expected("ffcv", "installed", first_line(error), remedy(error))) from None


def remedy(error: Exception) -> str:
    """The shell commands that fix an import error."""
    name, text = (error.name or "" if isinstance(error, ImportError) else ""), str(error)
    if name == "distutils" or name.startswith("distutils."):
        return "pip install setuptools"
    if "Numba needs NumPy" in text or "numpy" in text.lower():
        return f"{PACKAGE} --upgrade numba numpy"
    if name == COMPILED or (".so" in text and any(word in text for word in ("opencv", "turbojpeg", "_libffcv"))):
        return f"{LIBRARIES} && {BUILD}"  # ffcv is installed: without these options pip would keep it
    if name.split(".")[0] in ("numba", "llvmlite"):
        return f"{PACKAGE} --upgrade numba"
    if name.split(".")[0] == "cv2" or "libGL" in text:
        return "pip install opencv-python-headless"
    return f"{LIBRARIES} && {PACKAGE}"


@contextmanager
def torch_threads_kept() -> Iterator[None]:
    """Restores torch's number of threads, which ffcv changes whenever it sets its own, for the network."""
    import torch

    threads = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
