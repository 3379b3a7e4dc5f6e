"""A network with its weights on its device."""
