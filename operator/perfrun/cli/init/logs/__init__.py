"""A test from the access log of a web server."""
