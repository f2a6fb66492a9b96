"""How a worker talks to its coordinator: HTTP/1.1 with JSON, with retries while the coordinator
cannot be reached."""

import asyncio
import math
import ssl
from collections.abc import Awaitable, Callable
from time import monotonic
from types import TracebackType
from typing import Self, TypeVar

import httpx
from pydantic import ValidationError

from perfrun.measure.report import Interval, Order, Ready, Start, WorkerReport
from perfrun.measure.wire import Wire
from perfrun.reach.foreign import SECRETS, foreign
from perfrun.worker.config import Config
from perfrun.worker.lines import log

LONG_POLL = 30.0
"""Seconds; the coordinator answers within ten."""
FIRST_PAUSE, MAX_PAUSE = 0.2, 2.0
MAX_ASKED = 10.0
"""Longest wait that the coordinator may request before the next attempt, in seconds."""
INTERVAL_TIMEOUT = 5.0
COMPLAIN_AFTER = 30.0
_REFUSALS = (400, 403, 409, 410, 413, 422)
"""Statuses after which another attempt would not help. 404 is not one of them: an operator that
restarts does not know the run yet."""
_PACKED = ("report", "hold")

Answer = TypeVar("Answer", bound=Wire)


class WorkerRefusedError(Exception):
    """The coordinator rejected this worker; the message is the coordinator's."""


class CoordinatorAwayError(Exception):
    """The coordinator could not be reached in time, or is too busy."""

    def __init__(self, why: str, after: float = 0.0) -> None:
        """``after``: the requested wait, in seconds."""
        super().__init__(why)
        self.after = after


class Client:
    """One worker's connection to the coordinator of its run."""

    def __init__(self, config: Config, uid: str) -> None:
        self._config = config
        self._base = f"{config.coordinator}/v1/runs/{uid}/workers/{config.index}"
        # Certificates take time to load, so only if they are needed.
        verify: ssl.SSLContext | bool = config.coordinator.startswith("https:")
        if config.ca is not None:
            verify = ssl.create_default_context(cafile=str(config.ca))
        # Without the environment's proxy: the coordinator is nearby.
        self._http = httpx.AsyncClient(verify=verify, trust_env=False, timeout=LONG_POLL)
        self._complained = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def ready(self, message: Ready) -> Start:
        """Wait at the barrier; asks until there is an answer. Raises WorkerRefusedError."""
        body = message.to_bytes()
        answer = await self._insist(lambda: self._post("ready", body, LONG_POLL), math.inf)
        return _parsed(Start, answer)

    async def repost(self, message: Ready) -> None:
        """Report once more to the barrier. Raises CoordinatorAwayError, WorkerRefusedError."""
        await self._post("ready", message.to_bytes(), INTERVAL_TIMEOUT)

    async def interval(self, message: Interval) -> Order:
        """Send the progress, once. Raises CoordinatorAwayError and WorkerRefusedError."""
        return _parsed(Order, await self._post("interval", message.to_bytes(), INTERVAL_TIMEOUT))

    async def hold(self, message: WorkerReport, deadline: float) -> None:
        """Deliver the report of a hold; tries for ``deadline`` seconds.

        Raises CoordinatorAwayError, WorkerRefusedError.
        """
        packed = message.pack()
        await self._insist(lambda: self._post("hold", packed, LONG_POLL), deadline)

    async def report(self, message: WorkerReport, deadline: float) -> None:
        """Deliver the report; tries for ``deadline`` seconds.

        Raises CoordinatorAwayError, WorkerRefusedError.
        """
        packed = message.pack()
        await self._insist(lambda: self._post("report", packed, LONG_POLL), deadline)

    async def _post(self, what: str, body: bytes, patience: float) -> bytes:
        headers = {"Content-Type": "application/gzip" if what in _PACKED else "application/json"}
        try:
            if (file := self._config.token_file) is not None:
                token = file.read_text("ascii").strip()
                SECRETS.learn(token)
                headers["Authorization"] = f"Bearer {token}"
            response = await self._http.post(
                f"{self._base}/{what}", content=body, headers=headers, timeout=patience
            )
        except (httpx.HTTPError, OSError) as error:
            raise CoordinatorAwayError(f"{type(error).__name__}: {error}") from error
        if response.status_code in _REFUSALS:
            raise WorkerRefusedError(_message(response))
        if response.status_code != httpx.codes.OK:
            raise CoordinatorAwayError(
                f"HTTP status {response.status_code}", _retry_after(response)
            )
        return response.content

    async def _insist(self, post: Callable[[], Awaitable[bytes]], deadline: float) -> bytes:
        begin, pause = monotonic(), FIRST_PAUSE
        while True:
            try:
                return await post()
            except CoordinatorAwayError as error:
                waited, wait = monotonic() - begin, max(pause, error.after)
                if waited >= COMPLAIN_AFTER:
                    self._complain(error)
                if waited + wait > deadline:
                    raise
            await asyncio.sleep(wait)
            pause = min(2 * pause, MAX_PAUSE)

    def _complain(self, error: CoordinatorAwayError) -> None:
        if not self._complained:
            self._complained = True
            where = self._config.coordinator_host
            log(
                "away",
                message=(
                    f"the worker could not reach the coordinator at {where}: check the egress "
                    f"rules of NetworkPolicies ({error})"
                ),
            )


def _retry_after(response: httpx.Response) -> float:
    asked = response.headers.get("Retry-After", "")
    return min(float(asked), MAX_ASKED) if asked.isdecimal() else 0.0


def _message(response: httpx.Response) -> str:
    try:
        return foreign(str(response.json()["message"]))
    except (ValueError, KeyError, TypeError):
        return f"the coordinator answered with HTTP status {response.status_code}"


def _parsed(model: type[Answer], content: bytes) -> Answer:
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise WorkerRefusedError(
            f"the coordinator's answer is not a {model.__name__} of this version of perfrun: "
            f"{error.errors()[0]['msg']}"
        ) from error
