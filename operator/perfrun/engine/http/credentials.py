"""The Authorization header of requests, and how it is kept fresh.

Secrets appear in no message, log or repr.
"""

import asyncio
import base64
import contextlib
import json
import logging
import math
import re
import ssl
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import quote_plus

import httpx
from typing_extensions import override

from perfrun.api.test.target import Auth, HttpTarget, OAuth2Auth
from perfrun.api.test.values import SecretValue
from perfrun.engine.data.template import Template
from perfrun.engine.errors import DataError, EngineError, ErrorClass, OpenError
from perfrun.engine.http.request import one_line, origin_of
from perfrun.engine.http.tls.settings import verifying
from perfrun.logic.plan.network import Fence
from perfrun.reach.foreign import SECRETS, foreign
from perfrun.reach.resolver import Resolver
from perfrun.reach.values import Values

_LOG = logging.getLogger(__name__)
_WHERE = "spec.target.http.auth"
RENEW_AFTER = 0.8
"""Share of a token's lifetime after which it is renewed: the rest is for a token service that is
down for a while."""
DEFAULT_LIFE = 3600.0
"""Lifetime in seconds if the server does not send one (RFC 6749, 5.1, only recommends it)."""
RETRY_SECONDS = 5.0
MIN_WAIT = 0.5
TIMEOUT_SECONDS = 15.0
_REFUSALS = (400, 401, 403)
"""Error codes of a token service that rejects the client or its secret (RFC 6749, 5.2)."""
_ERROR_CODE = re.compile(r"[a-z]{2,20}(_[a-z]{1,20}){0,4}")
"""Error codes as in RFC 6749, 5.2 and its extensions: ``invalid_client``."""
_BAD_CERTIFICATE = "CERTIFICATE_VERIFY_FAILED"
"""OpenSSL's name for the error, in the message of the HTTP client."""
LOOK_SECONDS = 10.0
"""Time between two reads of a token that the kubelet keeps fresh."""


class Credential:
    """The Authorization header of every request."""

    authorization: str
    """The current value; empty: not obtained yet."""

    @property
    def header(self) -> Template:
        """The header's value, as it is at the time of each request."""
        return Template([lambda _number, _values: self.authorization])

    async def obtain(self) -> None:
        """Obtain it, unless it is fresh or never changes. Raises EngineError, after which the call
        may be repeated."""

    async def keep(self) -> None:
        """Keep it fresh until cancelled, if it ever changes."""


class Fixed(Credential):
    """One that never changes."""

    def __init__(self, authorization: str) -> None:
        self.authorization = authorization

    @property
    @override
    def header(self) -> Template:
        return Template([self.authorization])


class MountedToken(Credential):
    """A service account's token, which the kubelet renews in its file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.authorization = ""

    @override
    async def obtain(self) -> None:
        self._read()

    @override
    async def keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            with contextlib.suppress(EngineError):  # the old one remains valid for a while
                self._read()

    def _read(self) -> None:
        try:
            token = self._file.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise DataError(f"{_WHERE}.serviceAccountToken: the token cannot be read") from error
        SECRETS.learn(token)
        self.authorization = f"Bearer {token}"


class ClientCredentials(Credential):
    """A token from the client credentials grant (RFC 6749, 4.4)."""

    def __init__(
        self, asked: OAuth2Auth, client: tuple[str, str], verify: ssl.SSLContext, fence: Fence
    ) -> None:
        self._url, self._verify = httpx.URL(asked.token_url), verify
        origin = origin_of(asked.token_url)
        self._resolver = Resolver(origin.host, origin.port, fence)
        # The two are form-encoded before they become a Basic credential: RFC 6749, 2.3.1.
        self._client = httpx.BasicAuth(*map(quote_plus, client))
        self._form = {"grant_type": "client_credentials"}
        if asked.scopes:
            self._form["scope"] = " ".join(asked.scopes)
        if asked.audience is not None:
            self._form["audience"] = asked.audience
        self._life = DEFAULT_LIFE
        self._renew_at = 0.0
        """When to renew the token; it stays valid for a while longer (s, monotonic)."""
        self.authorization = ""

    @override
    async def obtain(self) -> None:
        if not self.authorization or monotonic() >= self._renew_at:
            await self._fetch()

    @override
    async def keep(self) -> None:
        wait = max(0.0, self._renew_at - monotonic())
        while True:
            await asyncio.sleep(wait)
            try:
                await self._fetch()
                wait = max(MIN_WAIT, self._renew_at - monotonic())
            except EngineError as error:
                _LOG.warning("the token could not be renewed: %s", foreign(error.message))
                wait = max(MIN_WAIT, min(RETRY_SECONDS, self._life * (1 - RENEW_AFTER) / 4))

    async def _fetch(self) -> None:
        asked = monotonic()
        where = f"{_WHERE}.oauth2: {self._url.netloc.decode('ascii')}"
        # By an address that was checked: the client would look up the name again.
        try:
            address = (await self._resolver.candidates())[0]
        except OpenError as error:
            raise EngineError(
                error.reason, (f"{where} cannot be reached: {error.message}")
            ) from error
        try:
            async with httpx.AsyncClient(
                verify=self._verify, trust_env=False, timeout=TIMEOUT_SECONDS
            ) as http:
                answer = await http.post(
                    self._url.copy_with(host=address),
                    data=self._form,
                    auth=self._client,
                    headers={"Host": self._url.netloc.decode("ascii")},
                    extensions={"sni_hostname": self._url.host},
                )
        except httpx.HTTPError as error:
            self._resolver.refused(address)
            reason = str(error) or type(error).__name__
            raise EngineError(
                ErrorClass.CONNECT,
                f"{where} cannot be reached: {reason}",
                refused=_BAD_CERTIFICATE in reason,
            ) from error
        reply = _document(answer)
        token = reply.get("access_token")
        if answer.status_code != httpx.codes.OK or not isinstance(token, str) or not token:
            raise EngineError(
                ErrorClass.DATA,
                f"{where} returned no token: {_complaint(answer, reply)}",
                refused=answer.status_code in _REFUSALS,
            )
        SECRETS.learn(token)
        self._life = _life(reply.get("expires_in"))
        self._renew_at = asked + self._life * RENEW_AFTER
        self.authorization = "Bearer " + one_line(token, f"{_WHERE}.oauth2")


def credential_of(target: HttpTarget, values: Values, fence: Fence) -> Credential | None:
    """The credential of a target; None if it needs none. Raises DataError for a missing value."""
    auth = target.auth
    if auth is None:
        return None
    if auth.oauth2 is not None:
        return _client_credentials(auth.oauth2, target, values, fence)
    if auth.service_account_token is not None:
        field = f"{_WHERE}.serviceAccountToken"
        return MountedToken(values.service_account_token(field))
    return Fixed(_fixed(auth, values))


def _client_credentials(
    asked: OAuth2Auth, target: HttpTarget, values: Values, fence: Fence
) -> Credential:
    name = asked.client_id or ""
    if asked.client_id_from is not None:
        name = _secret(asked.client_id_from, values, f"{_WHERE}.oauth2.clientIdFrom")
    secret = _secret(asked.client_secret_from, values, f"{_WHERE}.oauth2.clientSecretFrom")
    return ClientCredentials(asked, (name, secret), verifying(target, values), fence)


def _fixed(auth: Auth, values: Values) -> str:
    if auth.bearer is not None:
        field = f"{_WHERE}.bearer.tokenFrom"
        return "Bearer " + one_line(_secret(auth.bearer.token_from, values, field), field)
    assert auth.basic is not None
    user = auth.basic.username or ""
    if auth.basic.username_from is not None:
        user = _secret(auth.basic.username_from, values, f"{_WHERE}.basic.usernameFrom")
    password = _secret(auth.basic.password_from, values, f"{_WHERE}.basic.passwordFrom")
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode("ascii")


def _secret(source: SecretValue, values: Values, field: str) -> str:
    return values.secret(source.secret_key_ref.name, source.secret_key_ref.key, field)


def _life(reply: object) -> float:
    """Seconds; some services send the number as a string."""
    try:
        life = float(reply) if isinstance(reply, int | float | str) else 0.0
    except ValueError:
        return DEFAULT_LIFE
    return life if 0 < life < math.inf else DEFAULT_LIFE


def _document(answer: httpx.Response) -> dict[str, Any]:
    try:
        reply = answer.json()
    except (json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return reply if isinstance(reply, dict) else {}


def _complaint(answer: httpx.Response, reply: dict[str, Any]) -> str:
    """The error code of a token service, and nothing else, because the response may repeat the
    secrets.
    """
    code = reply.get("error")
    if isinstance(code, str) and _ERROR_CODE.fullmatch(code):
        return foreign(code)
    return f"HTTP status {answer.status_code}"
