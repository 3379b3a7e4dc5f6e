"""``benchsuite run``, ``sweep`` and ``query``: from what was typed to a run folder."""
