"""PerfTest: what users write about a test."""
