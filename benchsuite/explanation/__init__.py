"""``benchsuite explain``, ``compare`` and ``audit``, and the ledger of published figures."""
