"""The kinds of objects that perfrun reads or writes, and where an API server keeps them."""

from dataclasses import dataclass
from urllib.parse import quote

from perfrun.api import API_VERSION
from perfrun.kube.errors import NotFoundError


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object and where the API server keeps it."""

    api_version: str
    kind: str
    plural: str
    names: tuple[str, ...] = ()
    """Further names that users may use."""

    def is_called(self, name: str) -> bool:
        """Whether ``name`` is the part before the slash, as in ``perftest/shop``."""
        return name in (self.plural, self.full_name, self.kind.lower(), *self.names)

    @property
    def group(self) -> str:
        """Empty for the kinds of the core."""
        return self.api_version.rpartition("/")[0]

    @property
    def full_name(self) -> str:
        """As in refusals and roles: ``perfruns.perfrun.dev``."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None, name: str | None = None, sub: str = "") -> str:
        """The path of the collection, the object or its subresource.

        Raises NotFoundError if no object can have that name.
        """
        parts = ["/apis" if self.group else "/api", self.api_version]
        if namespace is not None:
            parts += ["namespaces", _segment(namespace)]
        parts.append(self.plural)
        if name is not None:
            parts.append(_segment(name))
        if sub:
            parts.append(sub)
        return "/".join(parts)


def _segment(name: str) -> str:
    # The API server decodes %2F before it splits the path, so the rest would be a subresource.
    if name in ("", ".", "..") or "/" in name or "%" in name:
        raise NotFoundError(404, f"{name[:64]!r} is not a valid name of an object")
    return quote(name, safe="")


PERF_TESTS = Resource(API_VERSION, "PerfTest", "perftests", ("ptest", "test", "tests"))
PERF_RUNS = Resource(API_VERSION, "PerfRun", "perfruns", ("prun", "run", "runs"))
PERF_POLICIES = Resource(API_VERSION, "PerfPolicy", "perfpolicies")
JOBS = Resource("batch/v1", "Job", "jobs")
PODS = Resource("v1", "Pod", "pods")
POD_METRICS = Resource("metrics.k8s.io/v1beta1", "PodMetrics", "pods")
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps")
SECRETS = Resource("v1", "Secret", "secrets")
SERVICES = Resource("v1", "Service", "services")
NETWORK_POLICIES = Resource("networking.k8s.io/v1", "NetworkPolicy", "networkpolicies")
NAMESPACES = Resource("v1", "Namespace", "namespaces")
WORKLOADS = {
    "Deployment": Resource("apps/v1", "Deployment", "deployments"),
    "StatefulSet": Resource("apps/v1", "StatefulSet", "statefulsets"),
}
REVISIONS = Resource("apps/v1", "ControllerRevision", "controllerrevisions")
EVENTS = Resource("events.k8s.io/v1", "Event", "events")
CORE_EVENTS = Resource("v1", "Event", "events")
"""The same objects, in the group for which the ClusterRole ``view`` grants users access."""
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases")
ENDPOINT_SLICES = Resource("discovery.k8s.io/v1", "EndpointSlice", "endpointslices")
ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts")
TOKEN_REVIEWS = Resource("authentication.k8s.io/v1", "TokenReview", "tokenreviews")
ACCESS_REVIEWS = Resource("authorization.k8s.io/v1", "SubjectAccessReview", "subjectaccessreviews")
