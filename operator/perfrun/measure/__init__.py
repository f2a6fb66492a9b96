"""Measurements and their wire formats: histograms, counters, the plan, a worker's report, the
merge.

Wire formats carry a version. Nothing here knows the network, a clock, or Kubernetes.
"""
