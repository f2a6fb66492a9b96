"""From a test to the plan of a run: shares of the load, names, allowed hosts and addresses."""
