"""Many tests due at once: perfrun beside Kubernetes' own CronJobs, on a real API server."""
