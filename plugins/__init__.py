"""Architecture plugins, imported as ``benchsuite.plugins``."""
