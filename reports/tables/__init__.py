"""Tables: pure functions of the frame of runs."""
