"""Manifests as files: read strictly, and told where they are wrong."""
