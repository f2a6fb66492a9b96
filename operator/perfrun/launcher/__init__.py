"""Runs one command for a worker, beside it: as a process on a laptop, in a container of a pod.

``run.py`` is a self-contained program. It may run in the user's image without Python, so it needs
only a few modules of the standard library, which ``pack.py`` copies there.
"""
