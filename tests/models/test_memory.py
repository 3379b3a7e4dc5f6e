"""Tests of errors that mean a lack of memory, with the words of the libraries."""

from __future__ import annotations

import pytest
import torch

from benchsuite.models.memory import lacks_memory

SAID = (
    ("driver", "CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported at some other API call"),
    ("driver, mapped memory", "CUDA driver error: out of memory"),
    ("cuDNN", "cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    ("cuDNN 9", "cuDNN error: CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED"),
    ("workspace", "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a ..."),
    ("cuBLAS", "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ("heuristics", "GET was unable to find an engine to execute this computation"),
    ("benchmark", "FIND was unable to find an engine to execute this computation"),
    ("cuDNN 7", "Unable to find a valid cuDNN algorithm to run convolution"),
)
"""Who finds no memory, and what a RuntimeError of torch says then."""


@pytest.mark.parametrize(("who", "words"), SAID)
def test_every_library_is_understood_when_it_has_no_memory(who: str, words: str) -> None:
    assert lacks_memory(RuntimeError(words)), who
    assert lacks_memory(getattr(torch, "AcceleratorError", RuntimeError)(words)), who


def test_torchs_own_error_is_understood_without_its_words() -> None:
    assert lacks_memory(torch.cuda.OutOfMemoryError(""))


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: an illegal memory access was encountered"),
        RuntimeError("CUDA error: device-side assert triggered"),
        RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"),
        RuntimeError("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`"),
        RuntimeError("mat1 and mat2 shapes cannot be multiplied (4x8 and 9x5)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
        ValueError("out of memory"),
    ],
    ids=str,
)
def test_other_errors_are_no_lack_of_memory(error: BaseException) -> None:
    assert not lacks_memory(error)
