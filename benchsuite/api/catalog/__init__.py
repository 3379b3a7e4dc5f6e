"""What is installed: ``benchsuite list``, ``show`` and ``plugin`` as functions."""
