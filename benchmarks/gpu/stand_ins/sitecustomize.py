"""Run by Python at its start: processes of ``check.sh --pretend`` find a pretended CUDA device."""

import os

if os.environ.get("GPU_CHECK_PRETEND"):
    from gpu_check import pretend

    pretend.install()
