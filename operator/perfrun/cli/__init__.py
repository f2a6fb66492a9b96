"""The command line: ``commands/`` defines the options, and the modules beside it do the work.

``cluster/`` is for commands that read a cluster, ``init/`` drafts tests, ``terminal/`` draws.
"""
