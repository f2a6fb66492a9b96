"""When runs are due, and which of those that wait goes next."""
