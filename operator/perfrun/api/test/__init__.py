"""PerfTest: what users write in a test."""
