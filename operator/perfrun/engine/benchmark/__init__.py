"""Targets that are benchmark suites of the user's own: a command that is run once."""
