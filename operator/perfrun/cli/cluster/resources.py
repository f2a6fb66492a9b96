"""The kinds of objects that the commands read, and where an API server keeps them."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from perfrun.api import API_VERSION

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object."""

    api_version: str
    plural: str

    @property
    def group(self) -> str:
        """Empty for the kinds of the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def full_name(self) -> str:
        """As refusals and roles have it: ``perfruns.perfrun.dev``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None, name: str = "", sub: str = "") -> str:
        """Of the collection (None: of all namespaces), an object or a part of one."""
        parts = ["/apis" if self.group else "/api", self.api_version]
        if namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts += [part for part in (self.plural, quote(name, safe=""), sub) if part]
        return "/".join(parts)


PERF_TESTS = Resource(API_VERSION, "perftests")
PERF_RUNS = Resource(API_VERSION, "perfruns")
PODS = Resource("v1", "pods")
EVENTS = Resource("v1", "events")
NAMESPACES = Resource("v1", "namespaces")
