"""Observes the target during the load: databases, Prometheus, processes of this machine."""
