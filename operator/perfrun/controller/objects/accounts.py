"""Service accounts: the account of workers, and the audiences of the API server.

Workers are ``perfrun-worker`` in the namespace of their test. The operator creates that account and
gives it no rights. Anybody can create one with the same name and label, so the operator signs the
uid of those that it created, with the key in its own Secret, and uses no other.
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
        """``key`` signs uids; it survives restarts of the operator."""
        self._kube, self._key = kube, key
        self._turn = asyncio.Lock()

    async def ensure(self, namespace: str) -> None:
        """Make sure that the account exists, and that it is the operator's own.

        If one claims to be perfrun's and was not signed (its creator was killed, or is another
        installation), it is created again. Raises RefusedError for any other account with this
        name.
        """
        # otherwise two runs of a namespace would each take the other's account for unsigned
        async with self._turn:
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
        except AlreadyExistsError as error:  # somebody else was faster: check it again
            raise ConflictError(409, str(error)) from error
        uid = made["metadata"]["uid"]
        signed = {"metadata": {"uid": uid, "annotations": {SIGNATURE: self._signature(uid)}}}
        await self._kube.patch(ACCOUNTS, namespace, WORKER_ACCOUNT, signed)

    def _is_signed(self, account: Json) -> bool:
        signature = str(account["metadata"].get("annotations", {}).get(SIGNATURE, ""))
        return hmac.compare_digest(
            signature.encode(), self._signature(account["metadata"]["uid"]).encode()
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
    """The audiences of the API server, as far as they can be found out.

    The kubelet gives the operator's pod a token for all of them, and a TokenReview without
    audiences answers with those of the API server. Raises KubeError.
    """
    token = await kube.own_token()
    if not token:
        return frozenset(settings.api_audiences)
    review = await kube.create(TOKEN_REVIEWS, None, {"spec": {"token": token}})
    audiences = review.get("status", {}).get("audiences") or []
    return frozenset([*audiences, *settings.api_audiences])
