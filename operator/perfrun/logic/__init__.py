"""Pure decisions: what is accepted, planned, scheduled, run, judged, compared, told as a trend.

Facts in, decisions out. No I/O, no asyncio, no clock and no framework: time and randomness are
arguments, and what a function decides somebody else does.
"""
