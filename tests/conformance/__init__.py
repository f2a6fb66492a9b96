"""Does a load generator tell the truth? Servers whose truth is known, and generators beside it."""
