"""Measurements as data frames: runs, asv's, pytest-benchmark's; targets and provenance."""
