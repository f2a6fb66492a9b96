"""Protocols that packages bring along: found, asked for their names, and kept within bounds."""
