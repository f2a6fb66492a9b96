"""Runs one command for a worker, beside it: a process on a laptop, a container in a pod.

``run.py`` is a program of its own. It may stand in an image of a stranger that has no Python, so
it needs nothing but a few modules of the standard library, which ``pack.py`` brings there.
"""
