"""Targets that speak HTTP: requests, connections, redirects, cookies, logins."""
