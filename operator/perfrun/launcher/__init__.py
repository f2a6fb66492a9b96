"""Runs one command for a worker, beside it: a process on a laptop, a container in a pod.

``run.py`` is a program of its own. It may run in the user's image without Python, so it needs only
a few modules of the standard library, which ``pack.py`` copies there.
"""
