"""The coordinator over HTTP: four routes for workers, and messages for rejected requests."""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

from aiohttp import web

from perfrun.coordinator.coordinator import Coordinator
from perfrun.coordinator.errors import CoordinatorError, Gone, Malformed, TooLarge
from perfrun.coordinator.intake import Intake
from perfrun.measure.report import Interval, Ready
from perfrun.measure.wire import Wire, check_values, reason_of

_LOG = logging.getLogger(__name__)

MAX_REPORT = 8 * 1024 * 1024
MAX_READY = 256 * 1024
MAX_INTERVAL = 128 * 1024
"""An interval's histogram can take 40 KiB if every bucket is used, its 64 error classes 6 KiB."""
MAX_VALUES = 300
"""Values in the JSON of either, not counting strings. It is parsed in the event loop, where
thousands would take long."""
REPORTS_AT_ONCE = 16
"""Reports in memory at once, over all runs: 128 MiB at most."""
REPORTS_OF_EACH = 6
"""Reports of one namespace: whoever can read the tokens of its workers can send reports as slowly
as a body may arrive."""
_TURN_SECONDS = 10.0
_BODY_SECONDS = 30.0
_RETRY_AFTER = "1"
_UID = re.compile(r"[A-Za-z0-9-]{1,64}\Z")

COORDINATOR = web.AppKey("coordinator", Coordinator)
INTAKE = web.AppKey("intake", Intake)

Message = TypeVar("Message", bound=Wire)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_app(coordinator: Coordinator) -> web.Application:
    """The application: ``POST /v1/runs/{uid}/workers/{index}/{ready,interval,hold,report}``."""
    app = web.Application(middlewares=[_errors_as_json])
    app[COORDINATOR] = coordinator
    app[INTAKE] = Intake(REPORTS_AT_ONCE, REPORTS_OF_EACH, _TURN_SECONDS)
    app.on_shutdown.append(_release)
    worker = "/v1/runs/{uid}/workers/{index:[0-9]{1,6}}"
    app.router.add_post(f"{worker}/ready", _ready)
    app.router.add_post(f"{worker}/interval", _interval)
    app.router.add_post(f"{worker}/hold", _hold)
    app.router.add_post(f"{worker}/report", _report)
    return app


async def _release(app: web.Application) -> None:
    # The server waits for open requests before it closes: do not let it wait for long polls.
    app[COORDINATOR].release()


async def _ready(request: web.Request) -> web.Response:
    coordinator, uid, index = await _admitted(request)
    ready = _parsed(Ready, await _body(request, MAX_READY))
    return _json(await coordinator.ready(uid, index, ready))


async def _interval(request: web.Request) -> web.Response:
    coordinator, uid, index = await _admitted(request)
    interval = _parsed(Interval, await _body(request, MAX_INTERVAL))
    return _json(coordinator.interval(uid, index, interval))


async def _hold(request: web.Request) -> web.Response:
    coordinator, uid, index = await _admitted(request)
    async with request.app[INTAKE].turn(coordinator.namespace(uid), uid, index):
        await coordinator.hold(uid, index, await _body(request, MAX_REPORT))
    return web.json_response({})


async def _report(request: web.Request) -> web.Response:
    coordinator, uid, index = await _admitted(request)
    async with request.app[INTAKE].turn(coordinator.namespace(uid), uid, index):
        await coordinator.report(uid, index, await _body(request, MAX_REPORT))
    return web.json_response({})


async def _admitted(request: web.Request) -> tuple[Coordinator, str, int]:
    """The coordinator and the authenticated worker. Raises CoordinatorError."""
    coordinator = request.app[COORDINATOR]
    uid, index = request.match_info["uid"], int(request.match_info["index"])
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        if not _UID.match(uid):
            raise Malformed("the path has no valid uid of a run")
        await coordinator.admit(uid, index, token.strip() if scheme.lower() == "bearer" else "")
    except CoordinatorError as error:
        error.stranger = True
        raise
    return coordinator, uid, index


async def _body(request: web.Request, limit: int) -> bytes:
    """The body, never more of it in memory than ``limit`` bytes and one chunk.

    Raises CoordinatorError.
    """
    too_large = f"a body of more than {limit} bytes is not accepted"
    if (request.content_length or 0) > limit:
        raise TooLarge(too_large)
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.content.iter_any():
                body += chunk
                if len(body) > limit:
                    raise TooLarge(too_large)
    except TimeoutError as error:
        raise Malformed(f"the body did not arrive within {_BODY_SECONDS:.0f} s") from error
    except (OSError, web.RequestPayloadError) as error:
        # A worker that dies in the middle of a message is not a defect of perfrun: its run's
        # coverage shows what is missing, and nobody is left to read an answer.
        raise Gone("the worker disconnected before its message was complete") from error
    return bytes(body)


def _parsed(kind: type[Message], body: bytes) -> Message:
    try:
        check_values(body, MAX_VALUES)
        return kind.model_validate_json(body)
    except ValueError as error:
        raise Malformed(f"not a {kind.__name__}: {reason_of(error)}") from error


def _json(message: Wire) -> web.Response:
    return web.Response(body=message.to_bytes(), content_type="application/json")


@web.middleware
async def _errors_as_json(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except CoordinatorError as error:
        headers = {"Retry-After": _RETRY_AFTER} if error.retry else None
        response = web.json_response({"message": str(error)}, status=error.status, headers=headers)
        if request.can_read_body or error.stranger:
            # Unread bytes must not be taken for the next request on this connection. And a
            # stranger's connection would be unavailable to workers for as long as it keeps asking.
            response.force_close()
        return response
    except web.HTTPException as error:
        response = web.json_response({"message": error.reason}, status=error.status)
        response.force_close()
        return response
