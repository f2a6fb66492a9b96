"""The commands that need a cluster: the one that kubectl would use."""
