"""perfrun: scheduled performance runs on Kubernetes, judged on the resource itself.

Data walks one way, and each step is one room of this package:
``manifest -> spec -> plan -> workers -> measurements -> merge -> verdict -> status``.
"""

__version__ = "0.1.0"
