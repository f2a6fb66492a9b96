"""Readers of results: a module for each format, and a line in ``engine/benchmark/results.py``."""
