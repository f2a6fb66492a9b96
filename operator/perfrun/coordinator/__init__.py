"""The start barrier, the live view and the durable collection of one or many runs.

Used twice: inside the operator (many runs, workers are pods) and inside ``perfrun run`` (one run,
workers are processes). The host provides the store and the identities (``ports``); all decisions
are in ``session``, all waiting is in ``coordinator``, HTTP is in ``app``.
"""
