"""Manifests as files: read strictly, with the place of each problem."""
