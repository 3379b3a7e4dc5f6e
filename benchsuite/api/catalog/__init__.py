"""What is installed or known: ``benchsuite list``, ``show``, ``plugin`` and ``data add`` ... as functions."""
