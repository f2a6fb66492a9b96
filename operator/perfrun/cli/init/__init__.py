"""``perfrun init``: a first PerfTest from what a team already has.

A source (an OpenAPI document, a HAR recording, an access log, ...) is read into a plain
:class:`~perfrun.cli.init.draft.Draft`, and one writer turns that into commented YAML. Only the file
itself is used, nothing is fetched, and nothing that looks like a secret is copied.
"""
