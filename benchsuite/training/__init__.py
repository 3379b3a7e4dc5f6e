"""``benchsuite train``: from a recipe to weights and the predictions of every epoch."""
