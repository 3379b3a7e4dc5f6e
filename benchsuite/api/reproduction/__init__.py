"""``benchsuite.reproduce``: published figures measured again."""
