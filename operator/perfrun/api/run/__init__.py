"""PerfRun: one execution of a test, its environment, and its results."""
