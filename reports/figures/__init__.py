"""Figures: each draws on the Axes it is given."""
