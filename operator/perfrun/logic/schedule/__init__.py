"""When runs are due, and which waiting run starts next."""
