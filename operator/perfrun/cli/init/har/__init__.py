"""A test from the recording of a browser (HAR)."""
