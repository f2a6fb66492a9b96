"""Faults on the real cluster, each in each phase of a run, and what became of the run."""
