"""The operator's metrics: a contract, described in docs/reference/metrics.md.

Gauges follow from the PerfRuns and are the same after a restart; counters start from 0.
"""

from perfrun.controller.metrics.collector import Metrics

__all__ = ["Metrics"]
