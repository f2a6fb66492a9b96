"""Which operator acts: the Lease, and the threads that keep it."""
