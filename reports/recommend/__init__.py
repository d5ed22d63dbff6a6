"""Which solver for a problem of a given size, predicted from stored runs."""
