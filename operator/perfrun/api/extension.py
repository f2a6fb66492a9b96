"""Protocols that are not perfrun's own: a package brings them into the worker."""

from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field

from perfrun.api.base import ApiModel
from perfrun.api.names import DNS_LABEL
from perfrun.api.quantities import Duration
from perfrun.api.values import ValueSource

# Above 65535 no port is; urlsplit says so, in words.
ADDRESS_PATTERN = r"^([^/@?#\s\\:\[\]]+|\[[0-9A-Fa-f:.]+\]):[1-9][0-9]{0,4}$"
MOST_OPTIONS = 50

ExtensionRequest = Annotated[
    dict[str, Annotated[str, Field(max_length=65_536)]], Field(max_length=20)
]
"""What a step says to its protocol: texts by name, which may hold templates. Which names there are
is for the protocol to say."""


class ExtensionTarget(ApiModel):
    """A server that is spoken to by a package of somebody else's (docs/how-to/protocols.md)."""

    kind: Annotated[str, Field(pattern=DNS_LABEL, max_length=63)] = Field(
        description="The name that the package gives its protocol: an entry point of the group "
        "perfrun.kinds."
    )
    address: Annotated[str, Field(pattern=ADDRESS_PATTERN, max_length=261)] = Field(
        description="HOST:PORT; policies judge it as they do the host of a URL."
    )
    timeout: Duration = Field(
        default="30s",
        validate_default=True,
        description="Of a step, the wait for its connection included.",
    )
    connect_timeout: Duration = Field(
        default="10s", validate_default=True, description="Until the protocol is ready to be used."
    )
    connections: Literal["Shared", "PerUser", "PerRequest"] = Field(
        default="Shared", description="Shared: a pool for all users of a worker."
    )
    options: Annotated[
        dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=MOST_OPTIONS)
    ] = Field(
        default={},
        description="What the protocol is to be told, once a worker; without templates.",
    )
    options_from: Annotated[dict[str, ValueSource], Field(max_length=MOST_OPTIONS)] = Field(
        default={}, description="The same, from Secrets and ConfigMaps."
    )

    @property
    def host(self) -> str:
        """Of the address, without brackets. Raises ValueError where it cannot be read."""
        return urlsplit(f"//{self.address}").hostname or ""

    @property
    def port(self) -> int:
        """Of the address. Raises ValueError where it is none."""
        return urlsplit(f"//{self.address}").port or 0
