"""Many problems at once, and one problem many times."""
