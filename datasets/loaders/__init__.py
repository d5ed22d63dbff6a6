"""Data sets: read or generated, split, standardised, with a checksum."""
