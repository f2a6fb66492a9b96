"""The command line: ``perfrun run`` and ``perfrun validate``, without a cluster."""
