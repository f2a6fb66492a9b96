"""Targets that are used with ``await``: one task per iteration."""
