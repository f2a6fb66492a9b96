"""What users write and read.

PerfTest and PerfRun as pydantic models, the quantities and the template grammar in them, and the
generator of their CustomResourceDefinitions. Parsing and checking only: no I/O, no clock, and
nothing of the other rooms is imported here.
"""

from typing import Any

GROUP = "perfrun.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
FIELD_MANAGER = "perfrun"
"""The name by which `kubectl get --show-managed-fields` shows what perfrun has written."""

Json = dict[str, Any]
"""An object of JSON."""
