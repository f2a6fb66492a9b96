"""A real single-node Kubernetes for tests, CI and the demo, from package registries alone.

``python3 -m tests.cluster up`` starts it. Standard library only: it runs before any venv exists.
"""
