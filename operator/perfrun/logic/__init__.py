"""Pure decisions: what is accepted, planned, scheduled, run, judged, compared and reported as a
trend.

Facts in, decisions out. No I/O, no asyncio, no clock and no framework: time and randomness are
arguments, and other packages carry out the decisions.
"""
