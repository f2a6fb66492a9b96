"""Protocols from other packages: found, checked, and limited in time."""
