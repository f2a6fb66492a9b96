"""Counts and timings while the load runs, and the health of the generator."""
