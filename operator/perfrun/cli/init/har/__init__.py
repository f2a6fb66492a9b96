"""A test from what a browser has recorded (HAR)."""
