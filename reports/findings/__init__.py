"""What the runs show, in sentences."""
