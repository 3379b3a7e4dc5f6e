"""``benchsuite run``, ``sweep`` and ``query``: from the command line to run folders."""
