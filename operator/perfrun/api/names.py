"""Names and the patterns that they must match."""

from typing import Annotated
from urllib.parse import SplitResult

from pydantic import Field

# 40 leaves room for "-<unix minute>" and the index suffixes of pods within the 63 characters of a
# label value.
TEST_NAME_MAX = 40
RUN_NAME_MAX = 63
DNS_LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"

PART_NAME = r"^[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$"
VARIABLE_NAME = r"^[A-Za-z_][A-Za-z0-9_]*$"

# Scenario and step names become metric labels and JSON keys: short, and without templates.
PartName = Annotated[str, Field(pattern=PART_NAME, min_length=1, max_length=63)]
VariableName = Annotated[str, Field(pattern=VARIABLE_NAME, max_length=63)]
ObjectName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253),
]
DataKey = Annotated[str, Field(pattern=r"^[-._a-zA-Z0-9]+$", min_length=1, max_length=253)]
HeaderName = Annotated[
    str, Field(pattern=r"^[!#$%&'*+.^_`|~0-9A-Za-z-]+$", min_length=1, max_length=128)
]
# No control characters: a line break in a header value or path could start another request.
HEADER_VALUE_PATTERN = r"^[^\x00-\x08\x0a-\x1f\x7f]*$"
HeaderValue = Annotated[str, Field(pattern=HEADER_VALUE_PATTERN, max_length=4096)]
PATH_PATTERN = r"^/[^\x00-\x1f\x7f#]*$"

# No user information: a password in a URL ends up in logs; auth.basic takes it from a Secret.
URL_PATTERN = r"^https?://[^/@?#\s\\]+(/[^\s#]*)?(\?[^\s#]*)?$"
Url = Annotated[str, Field(pattern=URL_PATTERN, max_length=2048)]
DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}

# The part of a URL that says where a server is.
ORIGIN_PATTERN = r"^https?://[^/@?#%\s\\]+/?$"
Origin = Annotated[str, Field(pattern=ORIGIN_PATTERN, max_length=300)]

# As Kubernetes has them.
LABEL_KEY_PATTERN = r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?$"
LABEL_VALUE_PATTERN = r"^([A-Za-z0-9]([-_.A-Za-z0-9]*[A-Za-z0-9])?)?$"
LabelKey = Annotated[str, Field(pattern=LABEL_KEY_PATTERN, min_length=1, max_length=128)]
LabelValue = Annotated[str, Field(pattern=LABEL_VALUE_PATTERN, max_length=63)]

# Of hosts that runs may be sent to: a * stands for any characters but a dot or a colon.
HOST_GLOB_PATTERN = r"^[A-Za-z0-9*:_-]([A-Za-z0-9*._:-]*[A-Za-z0-9*_:-])?$"
HostGlob = Annotated[str, Field(pattern=HOST_GLOB_PATTERN, min_length=1, max_length=253)]

HOST_PATTERN = r"^(\*|(\*\.)?([A-Za-z0-9_-]|\$\(namespace\)|\.)+|[0-9A-Fa-f:]+)$"
CIDR_PATTERN = r"^[0-9A-Fa-f:.]+/[0-9]{1,3}$"
CLOCK_PATTERN = r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$"

# Labels and annotations that identify the objects of a run.
RUN_LABEL = "perfrun.dev/run"
TEST_LABEL = "perfrun.dev/test"
WORKER_CONTAINER = "worker"
COMMAND_CONTAINER = "command"
"""The container with the user's image, in the pod of a benchmark."""
WORKER_INDEX = "batch.kubernetes.io/job-completion-index"
"""On a pod, as label and as annotation: the worker's index."""

STOP_ANNOTATION = "perfrun.dev/stopped-because"
"""On a PerfRun with spec.stop: who or what asked for it, as a sentence. The operator writes it when
it stops a run itself; others who stop a run may write it too.
"""
REPLACED = "(concurrencyPolicy Replace)"
"""The end of that sentence where the next scheduled run takes the place of this one."""


def port_of(parts: SplitResult) -> int:
    """The port that a URL connects to; 0 if it names none and its scheme has no default.

    Raises ValueError for a text that is not a port.
    """
    return DEFAULT_PORTS.get(parts.scheme, 0) if parts.port is None else parts.port
