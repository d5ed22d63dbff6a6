"""Medians, intervals and scatter: pure functions of numbers."""
