"""The only door to the API server, for the operator and for the command line.

``resources`` is the table of the kinds of objects, ``errors`` says how requests fail, ``login`` who
asks whom, and ``client`` asks. Nothing else imports ``kubernetes``.
"""
