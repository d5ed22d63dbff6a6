"""The verbs of `python -m reports`, one a file."""
