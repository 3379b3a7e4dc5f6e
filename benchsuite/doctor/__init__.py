"""``benchsuite data check``: what is wrong with a folder of images, and what to do about it."""
