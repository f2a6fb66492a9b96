"""How a server is reached: looked up, let through by the policies, logged in to.

Shared by the engine, which puts load on it, and by what only looks at it.
"""
