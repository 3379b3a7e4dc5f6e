"""The values that a plugin declares, and how a name that a user types becomes one of them."""
