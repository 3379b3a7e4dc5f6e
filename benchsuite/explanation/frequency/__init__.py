"""``explain RUN --frequency``: which spatial frequencies a network uses, from filtered pictures, gradients, attacks."""
