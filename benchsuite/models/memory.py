"""Which errors mean that a device has no memory left for a batch."""

from __future__ import annotations

import torch

_WORDS = (
    "out of memory",  # the driver, such as for pinned memory, or if another process has the rest
    "cudnn_status_alloc_failed",
    "allocation_failed",  # cuDNN 9: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED
    "cudnn_status_not_supported",
    "cublas_status_alloc_failed",
    "find an engine to execute this computation",  # no algorithm of cuDNN has enough memory to work in
    "find a valid cudnn algorithm",
)
"""What cuDNN, cuBLAS and the driver say, in lower case, if memory does not suffice; some also for other reasons."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error may mean that a batch is too large for the memory of its device.

    An ``OutOfMemoryError`` means nothing else. For the others a smaller batch is worth a try; the error of a single
    image may have another reason.
    """
    if isinstance(error, torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _WORDS)
