"""What users write and read.

PerfTest and PerfRun as pydantic models, the quantities and the template grammar in them, and the
generator of their CustomResourceDefinitions. Only parsing and checking: no I/O, no clock, and no
imports from other packages of perfrun.
"""

from typing import Any

GROUP = "perfrun.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "perfrun"
"""The name under which `kubectl get --show-managed-fields` shows perfrun's changes."""

Json = dict[str, Any]
"""A JSON object."""
