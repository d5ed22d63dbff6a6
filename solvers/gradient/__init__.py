"""First-order methods, for comparison."""
