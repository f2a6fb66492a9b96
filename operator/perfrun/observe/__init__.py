"""What the target does while it is under load. Empty in this version."""
