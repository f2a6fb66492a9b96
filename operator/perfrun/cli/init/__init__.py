"""``perfrun init``: a first PerfTest out of what a team has already.

A source (an OpenAPI document, a HAR recording, an access log) is read into a plain
:class:`~perfrun.cli.init.draft.Draft`, and one writer turns that into commented YAML. Only what is
in the file is used, nothing is fetched, and nothing that looks like a secret is copied.
"""
