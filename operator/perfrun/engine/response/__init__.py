"""Reading, checking and extracting from responses."""
