"""Readers of results: one small module per format, and a line in :mod:`.table`."""
