"""The command line: ``commands/`` has the options, and the work is in the modules beside it.

``cluster/`` is for commands that read a cluster, ``init/`` drafts tests, ``terminal/`` draws.
"""
