"""Events of the API server in, names into work queues out."""
