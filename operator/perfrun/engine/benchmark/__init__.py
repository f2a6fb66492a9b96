"""Targets that are the user's own benchmark suites: a command that runs once."""
