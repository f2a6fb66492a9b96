"""From a test to the plan of a run: shares of the load, names, what may be connected to."""
