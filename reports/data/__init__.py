"""What was measured, as data frames: runs, asv's results, pytest-benchmark's; statistics and provenance."""
