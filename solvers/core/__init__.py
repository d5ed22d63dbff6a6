"""What a solver is, the loop that runs it, and the tests that end it."""
