"""Counts, intervals, significance tests, calibration and accountings: pure functions of numbers."""
