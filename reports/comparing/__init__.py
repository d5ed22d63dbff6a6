"""Two selections of runs, or one commit and the next."""
