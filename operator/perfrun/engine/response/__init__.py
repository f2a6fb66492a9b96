"""What is read of a response, checked, and extracted."""
