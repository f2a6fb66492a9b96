"""PerfRun: one execution of a test, where it took place, and what came of it."""
