"""What every part of the room may use: checked input, counters and phases, the clock, names."""
