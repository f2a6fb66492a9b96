"""Pure decisions: schedule, plan, shape, lifecycle, admission, verdict.

Facts in, decisions out. No I/O, no asyncio, no clock and no framework: time and randomness are
arguments, and what a function decides somebody else does.
"""
