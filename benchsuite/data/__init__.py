"""Data that ships with benchsuite: the published numbers."""
