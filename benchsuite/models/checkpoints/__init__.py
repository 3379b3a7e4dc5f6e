"""Checkpoints of any trainer: where they are, how they are read, and where a network's tensors are in them."""
