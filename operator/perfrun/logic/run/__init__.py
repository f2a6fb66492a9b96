"""How a run moves from phase to phase, and what is kept of it."""
