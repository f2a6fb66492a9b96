"""Targets that are spoken to with ``await``: a task for each iteration."""
