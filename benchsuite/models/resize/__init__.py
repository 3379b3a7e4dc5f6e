"""Pillow's resize on a device, bit for bit: its coefficients, its passes in torch, and the views of an image there."""
