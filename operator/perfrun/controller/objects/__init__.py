"""The objects of Kubernetes that the operator writes, and what it reads of others."""
