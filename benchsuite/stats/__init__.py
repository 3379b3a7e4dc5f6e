"""Counts, intervals, tests, calibration and accountings: pure functions of numbers."""
