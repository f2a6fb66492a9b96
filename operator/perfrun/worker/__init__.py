"""One worker process: plan in, load out, report delivered."""
