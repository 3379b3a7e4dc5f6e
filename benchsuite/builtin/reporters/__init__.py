"""The reporters that come with benchsuite."""
