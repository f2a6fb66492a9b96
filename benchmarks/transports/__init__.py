"""Our HTTP/2 and our TLS transport beside the libraries that could take their place."""
