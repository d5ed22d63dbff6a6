"""Shared by all of solvers/: input checks, counters and phases, the clock, names."""
