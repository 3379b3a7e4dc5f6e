"""``benchsuite data check``: what is wrong with a folder of images, what to do about it, and what may be added."""
