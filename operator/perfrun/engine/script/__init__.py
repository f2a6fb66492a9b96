"""Scripts of other load tools: the tool runs beside the worker, and its samples are read as they
come."""
