"""Networks: weights, device, precision, forward pass, score maps."""
