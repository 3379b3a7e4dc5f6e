"""Protocol plugins, imported as ``benchsuite.protocols``."""
