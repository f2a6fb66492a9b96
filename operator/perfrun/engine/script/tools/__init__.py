"""The tools that can run a script: each knows its own arguments, control and rows, and nothing
else does."""
