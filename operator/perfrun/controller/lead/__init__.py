"""Which operator leads: the Lease, and the threads that keep it."""
