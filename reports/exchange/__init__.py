"""Runs in the formats of other benchmark suites, and theirs in ours: one format per file."""
