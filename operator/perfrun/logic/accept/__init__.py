"""What is wrong with a test before it runs."""
