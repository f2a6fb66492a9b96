"""Reports of real runs, looked at in a real browser: for tests, and for the pictures in docs/."""
