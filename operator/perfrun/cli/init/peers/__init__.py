"""Resources of other operators that run scripts, as PerfTests."""
