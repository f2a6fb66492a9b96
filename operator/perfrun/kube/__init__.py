"""The only access to the API server, for the operator and for the command line.

``resources`` is the table of the kinds of objects, ``errors`` how requests fail, ``login`` where
and with which identity to connect, and ``client`` sends requests. No other package imports
``kubernetes``.
"""
