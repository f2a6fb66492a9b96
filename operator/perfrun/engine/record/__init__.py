"""What is counted and timed while the load runs, and how the generator itself is."""
