"""Readers of results: one small module for each form, and a line in :mod:`.table`."""
