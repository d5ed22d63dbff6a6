"""What is proved about a problem: whether a minimiser exists, and bounds on its value."""
