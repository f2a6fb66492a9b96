"""Who sent a token: TokenReview, and then the pod that the token is bound to."""

from perfrun.api import Json
from perfrun.api.names import WORKER_INDEX
from perfrun.controller.objects.jobs import AUDIENCE
from perfrun.controller.objects.pods import has_ended
from perfrun.controller.run.open_runs import OpenRuns
from perfrun.coordinator.errors import Refused
from perfrun.kube.client import Kube, owned_by
from perfrun.kube.resources import PODS, TOKEN_REVIEWS

_EXTRA_POD = "authentication.kubernetes.io/pod-name"
_EXTRA_POD_UID = "authentication.kubernetes.io/pod-uid"


class PodIdentity:
    """Implements the coordinator's ``Identity`` for workers that are pods."""

    def __init__(self, kube: Kube, runs: OpenRuns) -> None:
        self._kube = kube
        self._runs = runs

    async def identify(self, uid: str, index: int, token: str) -> str:
        """The uid of the pod. Raises Refused if it is not worker ``index`` of run ``uid``."""
        run = self._runs.key(uid)
        review = await self._kube.create(
            TOKEN_REVIEWS, None, {"spec": {"token": token, "audiences": [AUDIENCE]}}
        )
        name, pod_uid = _bound_pod(review.get("status", {}), run.namespace)
        pod = await self._kube.find(PODS, run.namespace, name)
        if pod is None or pod["metadata"].get("uid") != pod_uid:
            raise Refused(f"pod {name} of the token no longer exists")
        if has_ended(pod):
            # A pod that is being terminated still reports what it has measured.
            raise Refused(f"pod {name} of the token has ended")
        # By uid, not by name: anybody may give a pod an owner with any name.
        job = await self._runs.job_uid(uid, index)
        if job is None or not owned_by(pod, job):
            raise Refused(f"pod {name} is not a worker of this run")
        if pod["metadata"].get("annotations", {}).get(WORKER_INDEX) != str(index):
            raise Refused(f"pod {name} is not worker {index} of this run")
        return pod_uid


def _bound_pod(status: Json, namespace: str) -> tuple[str, str]:
    if not status.get("authenticated") or AUDIENCE not in status.get("audiences", []):
        raise Refused("the token is not valid for perfrun.dev")
    user = status.get("user", {})
    if not user.get("username", "").startswith(f"system:serviceaccount:{namespace}:"):
        raise Refused("the token belongs to another namespace")
    extra = user.get("extra", {})
    names, uids = extra.get(_EXTRA_POD, []), extra.get(_EXTRA_POD_UID, [])
    if not names or not uids:
        raise Refused("the token is not bound to a pod")
    return names[0], uids[0]
