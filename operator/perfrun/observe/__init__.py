"""What the target does meanwhile: databases, Prometheus, processes of this machine."""
