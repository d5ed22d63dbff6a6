"""Test functions with published minima: More-Garbow-Hillstrom, NIST, CUTEst."""
