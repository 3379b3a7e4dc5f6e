"""Commands for the shell and the machine: ``benchsuite completion``, ``doctor``, ``cache``, as functions."""
