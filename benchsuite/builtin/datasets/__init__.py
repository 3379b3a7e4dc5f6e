"""The data sets that come with benchsuite."""
