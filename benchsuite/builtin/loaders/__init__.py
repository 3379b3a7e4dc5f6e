"""The loaders that come with benchsuite."""
