"""Probes and metrics: the ports, who may read them, and what they say."""
