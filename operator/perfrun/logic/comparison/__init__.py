"""Several runs side by side: what differs, and whether that can be shown."""
