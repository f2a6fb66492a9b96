"""TLS: its settings, handshakes, and the transport."""
