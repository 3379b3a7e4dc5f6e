"""``benchsuite reproduce``: published figures measured again. In the order of work: choices, plan, run, verdict."""
