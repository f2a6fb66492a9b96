"""The operator process: watches, reconcilers, manifests, metrics.

Handlers and reconcilers gather facts, ask `logic` what to do, and do it; they decide nothing
themselves. This is the only package that imports kopf.
"""
