"""Number formats of a forward pass: what each means on a device, and which are worth a trial there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from benchsuite.errors import BadParameter, expected

DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The type that weights and maps have. tf32 multiplies float32 numbers with 10 bits of mantissa, on CUDA."""

_BF16_CPU = ("avx512_bf16", "amx_bf16", "bf16")
"""Names of what a processor can do; without one of them bfloat16 is emulated, and slower than float32."""


@contextmanager
def computing(precision: str, device: Any) -> Iterator[None]:
    """What a forward pass runs in. On CUDA, float32 is float32 in convolutions too, where torch's default is TF32."""
    lower = DTYPES[precision] is not torch.float32
    with _tf32(precision == "tf32"), torch.autocast(device.type, DTYPES[precision] if lower else None, lower):
        yield


@contextmanager
def _tf32(wanted: bool) -> Iterator[None]:
    """Allows TF32 in matrix products and convolutions, or forbids it; afterwards all is as it was."""
    flags = torch.backends.cuda.matmul, torch.backends.cudnn
    before = [flag.allow_tf32 for flag in flags]
    for flag in flags:
        flag.allow_tf32 = wanted
    try:
        yield
    finally:
        for flag, value in zip(flags, before, strict=True):
            flag.allow_tf32 = value


def candidates(device: str) -> tuple[str, ...]:
    """The precisions below float32 that a device computes by itself, the fastest first. The same at every call."""
    kind = torch.device(device).type
    if kind == "cuda":
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return ("bf16", "tf32")
        return ("fp16",) if torch.cuda.get_device_capability(device) >= (7, 0) else ()
    return ("bf16",) if kind == "cpu" and _cpu_has_bf16() else ()


def check(precision: str, device: str) -> None:
    """Raises ``BadParameter`` for a precision that a device does not have."""
    if precision == "tf32" and torch.device(device).type != "cuda":
        raise BadParameter(expected("--precision tf32", "asked of a CUDA device", device))


def _cpu_has_bf16() -> bool:
    """Whether the processor says so; to a torch that does not ask it (before 2.6), it does not."""
    known: Any = getattr(torch.cpu, "get_capabilities", dict)()
    return any(known.get(name) for name in _BF16_CPU)
