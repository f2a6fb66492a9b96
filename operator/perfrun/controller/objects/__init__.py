"""The Kubernetes objects that the operator writes, and what it reads from others."""
