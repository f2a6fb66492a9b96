"""The load engine: pacing, scenarios, compiled requests, protocols, and its own health.

One event loop, one core, thousands of connections. Use it through :class:`run.Engine`. A new load
shape is a new pacer, never a new loop; nothing is parsed or looked up by name per request.
"""
