"""What a plugin declares, and how a typed name becomes one of these values."""
