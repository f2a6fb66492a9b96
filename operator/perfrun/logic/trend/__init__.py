"""Whether a test has become slower or faster over its runs."""
