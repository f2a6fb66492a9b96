"""Where a host is: looked up now and then, and nothing but what the policies let through."""

import asyncio
import socket
from time import monotonic_ns

from perfrun.api.quantities import NS_PER_S
from perfrun.logic.network import Fence, NotAllowedError
from perfrun.reach.errors import ErrorClass, OpenError

RESOLVED_FOR = 5 * NS_PER_S
"""How long addresses are used before the name is looked up again."""


class Resolver:
    """Addresses of a host, looked up at most once in five seconds, taken in turn.

    Only those that the fence lets through: what is connected to was looked at, and not its name.
    """

    def __init__(self, host: str, port: int, fence: Fence) -> None:
        self._host, self._port = host, port
        self._fence = fence
        self._addresses: list[str] = []
        self._refused: set[str] = set()
        self._until = 0
        self._next = 0
        self._lookup: asyncio.Task[None] | None = None

    async def candidates(self) -> list[str]:
        """At least one address, the one to try first in front.

        Raises OpenError: DNS, or Policy.
        """
        if monotonic_ns() >= self._until:
            # Many connections at once share one look-up, which outlives any of them.
            if self._lookup is None:
                self._lookup = asyncio.ensure_future(self._resolve())
                self._lookup.add_done_callback(_retrieved)
            await asyncio.shield(self._lookup)
        if len(self._addresses) == 1:
            return self._addresses
        good = [address for address in self._addresses if address not in self._refused]
        bad = [address for address in self._addresses if address in self._refused]
        if good:
            self._next = (self._next + 1) % len(good)
            good = good[self._next :] + good[: self._next]
        return good + bad

    def refused(self, address: str) -> None:
        """Try this one last until the name is looked up again."""
        self._refused.add(address)

    async def _resolve(self) -> None:
        try:
            name = self._fence.name(self._host)
            found = await asyncio.get_running_loop().getaddrinfo(
                name, self._port, type=socket.SOCK_STREAM
            )
            addresses = list(dict.fromkeys(str(address[0]) for *_, address in found))
            self._addresses = self._let_through(addresses)
        except NotAllowedError as error:
            raise OpenError(ErrorClass.POLICY, str(error)) from error
        except (OSError, UnicodeError) as error:  # UnicodeError: what cannot be a name
            said = getattr(error, "strerror", None) or error
            raise OpenError(
                ErrorClass.DNS, f"{self._host} could not be resolved: {said}"
            ) from error
        finally:
            self._lookup = None
        self._refused.clear()
        self._until = monotonic_ns() + RESOLVED_FOR

    def _let_through(self, addresses: list[str]) -> list[str]:
        """Those that may be connected to. Raises NotAllowedError where there is none."""
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


def _retrieved(lookup: "asyncio.Task[None]") -> None:
    """Take note of a failure that nobody waits for any more, or asyncio logs it."""
    if not lookup.cancelled():
        lookup.exception()
