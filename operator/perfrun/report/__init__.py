"""What people read of a finished run, and the objects that say it."""
