"""The check of benchsuite on a CUDA device: ``bash benchmarks/gpu/check.sh``."""
