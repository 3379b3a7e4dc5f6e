"""``benchsuite plugin new``: a small, complete distribution of a plugin, from templates."""
