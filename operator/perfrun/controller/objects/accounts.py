"""Service accounts: the one that workers have, and for whom the API server takes tokens.

Workers are ``perfrun-worker`` in the namespace of their test. The operator makes that account and
gives it no right. By name and label anybody can make one, so the operator signs the uid of those
that it has made, with the key of its own Secret, and uses no other.
"""

import asyncio
import hashlib
import hmac

from perfrun.api import Json
from perfrun.controller.objects.manifests import MANAGED_BY, WORKER_ACCOUNT
from perfrun.controller.settings import Settings
from perfrun.kube.client import Kube
from perfrun.kube.errors import AlreadyExistsError, ConflictError, RefusedError
from perfrun.kube.resources import ACCOUNTS, TOKEN_REVIEWS

SIGNATURE = "perfrun.dev/signature"


class Accounts:
    """The workers' service account of each namespace."""

    def __init__(self, kube: Kube, key: str) -> None:
        """``key``: what uids are signed with; it outlives the operator's restarts."""
        self._kube, self._key = kube, key
        self._turn = asyncio.Lock()

    async def ensure(self, namespace: str) -> None:
        """See that the account is there, and that it is the operator's own.

        One that says it is perfrun's and was not signed (its maker was killed, or is another
        installation) is made anew. Raises RefusedError for any other that has its name.
        """
        async with self._turn:  # two runs of a namespace would take each other's for unsigned
            standing = await self._kube.find(ACCOUNTS, namespace, WORKER_ACCOUNT)
            if standing is not None:
                if self._is_signed(standing):
                    return
                _check_label(standing, namespace)
                uid = standing["metadata"]["uid"]
                await self._kube.delete(ACCOUNTS, namespace, WORKER_ACCOUNT, uid=uid)
            await self._make(namespace)

    async def _make(self, namespace: str) -> None:
        body = {
            "metadata": {
                "name": WORKER_ACCOUNT,
                "namespace": namespace,
                "labels": {MANAGED_BY: "perfrun"},
            },
            "automountServiceAccountToken": False,
        }
        try:
            made = await self._kube.create(ACCOUNTS, namespace, body)
        except AlreadyExistsError as error:  # somebody else was faster: it is looked at again
            raise ConflictError(409, str(error)) from error
        uid = made["metadata"]["uid"]
        signed = {"metadata": {"uid": uid, "annotations": {SIGNATURE: self._signature(uid)}}}
        await self._kube.patch(ACCOUNTS, namespace, WORKER_ACCOUNT, signed)

    def _is_signed(self, account: Json) -> bool:
        said = str(account["metadata"].get("annotations", {}).get(SIGNATURE, ""))
        return hmac.compare_digest(
            said.encode(), self._signature(account["metadata"]["uid"]).encode()
        )

    def _signature(self, uid: str) -> str:
        return hmac.new(
            self._key.encode(), f"{SIGNATURE}:{uid}".encode(), hashlib.sha256
        ).hexdigest()


def _check_label(account: Json, namespace: str) -> None:
    if account["metadata"].get("labels", {}).get(MANAGED_BY) != "perfrun":
        raise RefusedError(
            409,
            f"ServiceAccount {WORKER_ACCOUNT} in namespace {namespace} was not created by the "
            "operator, and may have permissions that workers must not have: delete it, and the "
            f"operator creates its own (kubectl delete serviceaccount {WORKER_ACCOUNT} -n "
            f"{namespace})",
        )


async def api_audiences(kube: Kube, settings: Settings) -> frozenset[str]:
    """The audiences that the API server takes tokens for, as far as it can be known.

    The kubelet gives the operator's pod a token for all of them, and a TokenReview that asks for
    none answers with those that are the API server's own. Raises KubeError.
    """
    token = await kube.own_token()
    if not token:
        return frozenset(settings.api_audiences)
    review = await kube.create(TOKEN_REVIEWS, None, {"spec": {"token": token}})
    said = review.get("status", {}).get("audiences") or []
    return frozenset([*said, *settings.api_audiences])
