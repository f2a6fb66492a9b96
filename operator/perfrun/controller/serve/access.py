"""Who may read the metrics, which contain the names of all namespaces and tests.

Either users who may get ``/metrics`` according to the API server, in the same way as
controller-runtime's filter (TokenReview, then SubjectAccessReview); or, in an installation for some
namespaces, which may not ask that, holders of its token; or anybody, if the chart's values say so.
"""

import base64
import hmac
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import NamedTuple

from aiohttp import web

from perfrun.api import Json
from perfrun.api.quantities import NS_PER_S
from perfrun.controller.settings import Settings
from perfrun.coordinator.intake import Bucket
from perfrun.kube.client import Kube
from perfrun.kube.errors import KubeError
from perfrun.kube.resources import ACCESS_REVIEWS, SECRETS, TOKEN_REVIEWS

logger = logging.getLogger(__name__)

PATH = "/metrics"
ALLOWED_FOR = 60 * NS_PER_S
"""As in controller-runtime: a revoked token works this much longer."""
REFUSED_FOR = 10 * NS_PER_S
ALLOWED_KEPT, REFUSED_KEPT = 64, 256
REVIEWS, REFILL = 20, NS_PER_S // 2
"""Limit for unknown tokens: so many at once, and one more after this many ns. Each causes two
requests to the API server.
"""
TOKEN_KEY = "token"  # noqa: S105 (the key in a Secret)


async def anybody(_: web.Request) -> web.Response | None:
    """Nobody is asked to identify themselves."""
    return None


class StaticToken:
    """Holders of the one token of this installation."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    async def __call__(self, request: web.Request) -> web.Response | None:
        """None for those who may read, otherwise the refusal."""
        token = _bearer(request)
        if token and hmac.compare_digest(token.encode(), self._token):
            return None
        return _refusal(
            AccessDecision(401, "a token is required: the one in the Secret for metrics")
        )


class AccessDecision(NamedTuple):
    """The outcome of a review: 200, 401 or 403, and its message."""

    status: int
    text: str


class Reviewed:
    """Users whom the API server allows to get ``/metrics``."""

    def __init__(self, kube: Kube, now: Callable[[], int] = time.monotonic_ns) -> None:
        """``kube`` belongs to the loop that serves; ``now`` gives monotonic ns."""
        self._kube = kube
        self._now = now
        self._unknown = Bucket(REVIEWS, REFILL)
        self._allowed: OrderedDict[bytes, int] = OrderedDict()
        """By digest of a token: until when it is not reviewed again."""
        self._refused: OrderedDict[bytes, tuple[int, AccessDecision]] = OrderedDict()

    async def __call__(self, request: web.Request) -> web.Response | None:
        """None for those who may read, otherwise the refusal."""
        token = _bearer(request)
        if not token:
            return _refusal(AccessDecision(401, "a token is required: Authorization: Bearer TOKEN"))
        digest, now = sha256(token.encode()).digest(), self._now()
        if now < self._allowed.get(digest, 0):
            return None
        until, answer = self._refused.get(digest, (0, AccessDecision(401, "")))
        if now < until:
            return _refusal(answer)
        # A token that was accepted before is reviewed again whatever others send.
        if digest not in self._allowed and not self._unknown.take(now):
            return _refusal(AccessDecision(503, "too many unknown tokens were sent: try again"))
        try:
            answer = await self._review(token)
        except KubeError as error:
            logger.warning("metrics: a token could not be reviewed: %s", error)
            return _refusal(AccessDecision(503, "the API server could not review the token"))
        return self._remember(digest, answer)

    async def _review(self, token: str) -> AccessDecision:
        review = await self._kube.create(TOKEN_REVIEWS, None, {"spec": {"token": token}})
        status = review.get("status") or {}
        if not status.get("authenticated"):
            return AccessDecision(401, "the token is not valid")
        user: Json = status.get("user") or {}
        spec: Json = {
            "user": user.get("username", ""),
            "uid": user.get("uid", ""),
            "groups": user.get("groups") or [],
            "extra": user.get("extra") or {},
            "nonResourceAttributes": {"path": PATH, "verb": "get"},
        }
        review = await self._kube.create(ACCESS_REVIEWS, None, {"spec": spec})
        if (review.get("status") or {}).get("allowed"):
            return AccessDecision(200, "")
        return AccessDecision(
            403, "the token's user may not get /metrics: bind a ClusterRole like the chart's "
            "<release>-metrics-reader to it",
        )  # fmt: skip

    def _remember(self, digest: bytes, answer: AccessDecision) -> web.Response | None:
        now = self._now()
        self._allowed.pop(digest, None)
        self._refused.pop(digest, None)
        if answer.status == 200:
            self._allowed[digest] = now + ALLOWED_FOR
            while len(self._allowed) > ALLOWED_KEPT:
                self._allowed.popitem(last=False)
            return None
        self._refused[digest] = (now + REFUSED_FOR, answer)
        while len(self._refused) > REFUSED_KEPT:
            self._refused.popitem(last=False)
        return _refusal(answer)


async def static_token(kube: Kube, settings: Settings) -> str:
    """The token in the Secret; if there is none, a new one, which is stored there."""
    namespace, name = settings.namespace, settings.metrics_token_secret
    secret = await kube.get(SECRETS, namespace, name)
    if kept := (secret.get("data") or {}).get(TOKEN_KEY):
        return base64.b64decode(kept).decode().strip()
    token = secrets.token_urlsafe(32)
    body = {
        "metadata": {"resourceVersion": secret["metadata"]["resourceVersion"]},
        "data": {TOKEN_KEY: base64.b64encode(token.encode()).decode()},
    }
    await kube.patch(SECRETS, namespace, name, body)
    return token


def _bearer(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    # As the API server sees it, and what it can be sent: a header may contain any bytes.
    token = token.strip()
    return token if scheme.lower() == "bearer" and token.isascii() else ""


def _refusal(answer: AccessDecision) -> web.Response:
    headers = {"WWW-Authenticate": "Bearer"} if answer.status == 401 else None
    return web.Response(status=answer.status, text=f"{answer.text}\n", headers=headers)
