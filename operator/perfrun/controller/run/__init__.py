"""PerfRuns: from admission to the verdict."""
