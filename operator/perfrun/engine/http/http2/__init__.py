"""HTTP/2: frames, connections, streams and flow control."""
