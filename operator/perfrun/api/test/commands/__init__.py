"""Targets that are a command of the user's, in an image of the user's: benchmarks and scripts."""
