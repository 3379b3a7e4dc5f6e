"""Number formats of a forward pass: what each means on a device, and which ones ``--precision auto`` tries there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import torch

from benchsuite.errors import BadParameter, expected

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The type of weights and feature maps. tf32, on CUDA only, multiplies float32 numbers with 10 bits of mantissa."""

_BF16_CPU = ("avx512_bf16", "amx_bf16", "bf16")
"""Names of processor features; without any of them bfloat16 is emulated, and slower than float32."""


@contextmanager
def computing(precision: str, device: Any) -> Iterator[None]:
    """Context for a forward pass in a precision. On CUDA, fp32 turns off TF32, torch's default for convolutions.

    On CUDA the same batch gives the same bits on the same model of GPU with the same software, if it has memory to
    spare: cuDNN takes only algorithms that add in the same order each time, and does not choose among them by their
    speed. With little memory it may take another algorithm. A batch of another size, another GPU or another version
    may change the last bits, and so the predictions of images that are near a tie.
    """
    lower = DTYPES[precision] is not torch.float32
    switches = [*_tf32(precision == "tf32"), *_repeatable()]
    with _set(switches), torch.autocast(device.type, DTYPES[precision] if lower else None, lower):
        yield


Switch = tuple[Any, str, Any]
"""One of torch's global settings: its owner, its name, and a value for it."""


@contextmanager
def _set(switches: Sequence[Switch]) -> Iterator[None]:
    """Sets torch's global settings, and restores them at the end."""
    before = [(owner, name, getattr(owner, name)) for owner, name, _ in switches]
    try:
        for owner, name, value in switches:
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)


def _tf32(wanted: bool) -> list[Switch]:
    """The switches that allow or forbid TF32 in matrix products, convolutions and recurrent layers.

    They are the old ones (``allow_tf32``), which inductor still reads. Since torch 2.9 there are new ones
    (``fp32_precision``). If the process has set those, torch may refuse to read the old ones, or a new one for all of
    torch or cuDNN may allow what an old one forbids. Then they are the new ones.
    """
    matmul, cudnn = torch.backends.cuda.matmul, torch.backends.cudnn
    old = [(owner, "allow_tf32", wanted) for owner in (matmul, cudnn)]
    with suppress(RuntimeError):
        for owner, name, _ in old:
            getattr(owner, name)
        if getattr(cudnn, "fp32_precision", "none") != "tf32":
            return old
    return [(owner, "fp32_precision", "tf32" if wanted else "ieee") for owner in (matmul, cudnn.conv, cudnn.rnn)]


def _repeatable() -> list[Switch]:
    """The switches with which cuDNN takes the same algorithm each time, and one that gives the same bits each time."""
    return [(torch.backends.cudnn, "deterministic", True), (torch.backends.cudnn, "benchmark", False)]


def candidates(device: str) -> tuple[str, ...]:
    """The precisions below float32 that a device computes natively, the fastest first. The same at every call."""
    kind = torch.device(device).type
    if kind == "cuda":
        with torch.cuda.device(device):  # torch asks the current one
            bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        if bf16:
            return ("bf16", "tf32")
        return ("fp16",) if torch.cuda.get_device_capability(device) >= (7, 0) else ()
    return ("bf16",) if kind == "cpu" and _cpu_has_bf16() else ()


def check(precision: str, device: str) -> None:
    """Raises ``BadParameter`` for a precision that a device does not have."""
    if precision == "tf32" and torch.device(device).type != "cuda":
        raise BadParameter(expected("--precision tf32", "used on a CUDA device", device))


def _cpu_has_bf16() -> bool:
    """Whether the processor computes bfloat16 natively. False with torch before 2.6, which cannot tell."""
    features: Any = getattr(torch.cpu, "get_capabilities", dict)()
    return any(features.get(name) for name in _BF16_CPU)
