"""Databases: statements instead of requests, SQLSTATE instead of status codes."""
