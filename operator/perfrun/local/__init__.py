"""A run on this machine: the counterpart of ``controller``, with processes as workers."""
