"""How a run goes on from phase to phase, and what is kept of it."""
