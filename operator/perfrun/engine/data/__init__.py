"""Templates, and the rows of feeds that they use."""
