"""A run on this machine: workers are processes, the twin of ``controller``."""
