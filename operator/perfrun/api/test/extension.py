"""Protocols that are not part of perfrun: a package adds them to the worker."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from perfrun.api.base import ApiModel
from perfrun.api.names import DNS_LABEL
from perfrun.api.quantities import Duration
from perfrun.api.test.values import ValueSource

# There is no port above 65535; urlsplit's message says so.
ADDRESS_PATTERN = r"^([^/@?#\s\\:\[\]]+|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$"
MAX_OPTIONS = 50

ExtensionRequest = Annotated[
    dict[str, Annotated[str, Field(max_length=65_536)]], Field(max_length=20)
]
"""The fields of a step, by name: strings that may contain templates. The protocol defines the
names.
"""


class ExtensionTarget(ApiModel):
    """A server with a protocol that a Python package adds to perfrun."""

    kind: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] = Field(
        description="Name of the protocol: the entry point of the package in the group "
        "perfrun.kinds. Example: websocket."
    )
    address: Annotated[str, Field(pattern=ADDRESS_PATTERN, max_length=261)] = Field(
        description="Host and port of the server. Example: chat:8765."
    )
    timeout: Duration = Field(
        default="30s",
        validate_default=True,
        description="Maximum time of a step, including the wait for a connection. Example: 5s.",
    )
    connect_timeout: Duration = Field(
        default="10s",
        validate_default=True,
        description="Maximum time to open a connection until it is ready for use. Example: 2s.",
    )
    connections: Literal["Shared", "PerUser", "PerRequest"] = Field(
        default="Shared",
        description="Which connection a step uses. Shared: one of a pool for all users of a "
        "worker. PerUser: the user's own. PerRequest: a new one.",
    )
    options: Annotated[
        dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=MAX_OPTIONS)
    ] = Field(
        default={},
        description="Options of the protocol, the same for the whole run. No templates.",
    )
    options_from: Annotated[dict[str, ValueSource], Field(max_length=MAX_OPTIONS)] = Field(
        default={}, description="Options of the protocol from Secrets and ConfigMaps."
    )

    @property
    def host(self) -> str:
        """The host of the address, without brackets. Raises ValueError if it cannot be parsed."""
        return urlsplit(f"//{self.address}").hostname or ""

    @property
    def port(self) -> int:
        """The port of the address. Raises ValueError if it is invalid."""
        return urlsplit(f"//{self.address}").port or 0
