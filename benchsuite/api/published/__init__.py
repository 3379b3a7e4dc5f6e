"""Runs beside the published figures of their networks."""
