"""Numbers and how they travel: histograms, counters, the plan, a worker's report, their merge.

Wire formats carry a version. Nothing here knows the network, a clock, or Kubernetes.
"""
