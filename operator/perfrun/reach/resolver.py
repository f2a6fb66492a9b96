"""Name resolution: repeated from time to time, and limited to addresses that the policies allow."""

import asyncio
import contextlib
import math
import socket
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from pathlib import Path
from time import monotonic, monotonic_ns
from typing import TypeVar

from perfrun.api.quantities import NS_PER_S
from perfrun.logic.plan.network import Fence, NotAllowedError
from perfrun.reach.errors import ErrorClass, OpenError

RESOLVED_FOR = 5 * NS_PER_S
"""How long addresses are used before the name is looked up again."""
SILENT_FOR = 60 * NS_PER_S
"""How long an address that did not answer is tried last, even if the name is looked up again."""
HEAD_START_S = 0.25
"""Time for an address before the next one is tried as well (RFC 8305, 8: Connection Attempt
Delay)."""

T = TypeVar("T")

RESOLV_CONF = Path("/etc/resolv.conf")


def search_domains() -> list[str]:
    """The domains that the system's resolver appends to a name."""
    with contextlib.suppress(OSError):
        lines = [line.split() for line in RESOLV_CONF.read_text(errors="replace").splitlines()]
        known = [words[1:] for words in lines if words[:1] in (["search"], ["domain"])]
        return known[-1] if known else []
    return []


class Resolver:
    """Addresses of a host, looked up at most once in five seconds, used in turn.

    Only those that the fence allows: what is checked is the address that is connected to, not its
    name.
    """

    def __init__(self, host: str, port: int, fence: Fence) -> None:
        self._host, self._port = host, port
        self._fence = fence
        self._addresses: list[str] = []
        self._refused: set[str] = set()
        self._silent: dict[str, int] = {}
        """Until when each address is tried last, monotonic ns."""
        self._until = 0
        self._next = 0
        self._lookup: asyncio.Task[None] | None = None

    async def candidates(self) -> list[str]:
        """At least one address, the one to try first in front.

        Raises OpenError: DNS, or Policy.
        """
        if monotonic_ns() >= self._until:
            # Many simultaneous connections share one look-up, which outlives any of them.
            if self._lookup is None:
                self._lookup = asyncio.ensure_future(self._resolve())
                self._lookup.add_done_callback(_retrieved)
            await asyncio.shield(self._lookup)
        if len(self._addresses) == 1:
            return self._addresses
        good = [address for address in self._addresses if not self._is_bad(address)]
        bad = [address for address in self._addresses if address not in good]
        if good:
            self._next = (self._next + 1) % len(good)
            good = good[self._next :] + good[: self._next]
        return good + bad

    def refused(self, address: str) -> None:
        """Try this address last until the name is looked up again."""
        self._refused.add(address)

    def silent(self, address: str) -> None:
        """Try this address last for a while, because it does not answer."""
        self._silent[address] = monotonic_ns() + SILENT_FOR

    def _is_bad(self, address: str) -> bool:
        return address in self._refused or self._silent.get(address, 0) > monotonic_ns()

    async def first(
        self,
        addresses: list[str],
        connect: Callable[[str], Awaitable[T]],
        let_go: Callable[[T], object],
        within_s: float = math.inf,
    ) -> T:
        """The result of ``connect`` for the first address that answers.

        They share ``within_s``, which the caller enforces: each has a head start, after which the
        next one is tried as well. ``let_go`` closes results that came too late. Raises the last
        OSError if all have refused.
        """
        address, *others = addresses
        if not others:
            return await connect(address)
        head_start = min(HEAD_START_S, within_s / len(addresses))
        # Usually it answers, so this first attempt is not a task, which would cost as much as the
        # rest.
        try:
            async with asyncio.timeout(head_start):
                return await connect(address)
        except TimeoutError:
            others.append(address)
            connected, where = await self._race(others, connect, let_go, head_start)
            if where != address:
                self.silent(address)
        except OSError:
            self.refused(address)
            connected, _ = await self._race(others, connect, let_go, head_start)
        return connected

    async def _race(
        self,
        left: list[str],
        connect: Callable[[str], Awaitable[T]],
        let_go: Callable[[T], object],
        head_start: float,
    ) -> tuple[T, str]:
        """The first address that answers; attempts start one after the other."""
        failure = OSError("it has no address")
        trying: dict[asyncio.Future[T], tuple[str, float]] = {}
        try:
            while left or trying:
                if left:
                    address = left.pop(0)
                    trying[asyncio.ensure_future(connect(address))] = address, monotonic()
                wait = head_start if left else None
                done, _ = await asyncio.wait(trying, timeout=wait, return_when="FIRST_COMPLETED")
                for attempt in done:
                    address, _ = trying.pop(attempt)
                    error = attempt.exception()
                    if error is None:
                        self._note_silent(trying.values(), head_start)
                        return attempt.result(), address
                    if not isinstance(error, OSError):
                        raise error
                    failure = error
                    self.refused(address)
        finally:
            for attempt in trying:
                attempt.cancel()
                attempt.add_done_callback(partial(_end, let_go))
        raise failure

    def _note_silent(self, trying: Iterable[tuple[str, float]], head_start: float) -> None:
        """Another address has answered: those whose head start is over count as silent."""
        now = monotonic()
        for address, since in trying:
            if now - since >= head_start:
                self.silent(address)

    async def _resolve(self) -> None:
        try:
            name = self._fence.name(self._host)
            found = await asyncio.get_running_loop().getaddrinfo(
                name, self._port, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
            )
            canonical = next((str(one[3]) for one in found if one[3]), name)
            self._fence.canonical(name, canonical, search_domains())
            addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
            self._addresses = self._let_through(addresses)
        except NotAllowedError as error:
            raise OpenError(ErrorClass.POLICY, str(error)) from error
        except (OSError, UnicodeError) as error:  # UnicodeError: not a valid name
            message = getattr(error, "strerror", None) or error
            raise OpenError(
                ErrorClass.DNS, f"{self._host} could not be resolved: {message}"
            ) from error
        finally:
            self._lookup = None
        self._refused.clear()
        self._until = monotonic_ns() + RESOLVED_FOR

    def _let_through(self, addresses: list[str]) -> list[str]:
        """The allowed addresses. Raises NotAllowedError if there are none."""
        found, refusal = [], None
        for address in addresses:
            try:
                self._fence.address(address)
            except NotAllowedError as error:
                refusal = error
            else:
                found.append(address)
        if refusal is not None and not found:
            raise refusal
        return found


def _end(let_go: Callable[[T], object], attempt: asyncio.Future[T]) -> None:
    """Close the result of an attempt, if it has one."""
    if not attempt.cancelled() and attempt.exception() is None:
        let_go(attempt.result())


def _retrieved(lookup: "asyncio.Task[None]") -> None:
    """Retrieve an exception that nobody awaits any more, so that asyncio does not log it."""
    if not lookup.cancelled():
        lookup.exception()
