"""The two timers of a load: an alarm with microsecond precision, and the deadline of everything in
flight.
"""

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable, Collection
from time import monotonic_ns
from typing import Protocol

from perfrun.api.quantities import NS_PER_MS, NS_PER_S

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_NS = 1_000_000_000


class Alarm:
    """Calls back on the event loop once the monotonic clock has passed a given time.

    Event-loop timers are 1 ms coarse: at 2000/s that is 560 us of lag. So this is a timerfd, read
    by the loop like a socket. Setting the alarm again clears an expiration, so a callback that
    always sets or clears it need not read the descriptor.
    """

    __slots__ = ("_callback", "_fd", "_loop", "_set")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._fd, self._set = _timerfd()
        loop.add_reader(self._fd, callback)

    def at(self, when: int) -> None:
        """Call back at ``when`` (monotonic ns); at once if that has passed."""
        self._set(max(when, 1))

    def clear(self) -> None:
        """Do not call back. A callback that does not set the alarm again must call this."""
        self._set(0)

    def close(self) -> None:
        """Close the descriptor. The alarm cannot be set any more."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


class CoarseAlarm:
    """The same by a timer of the event loop, where there is no timerfd: it may be 1 ms late."""

    __slots__ = ("_callback", "_loop", "_timer", "_when")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop, self._callback = loop, callback
        self._timer: asyncio.TimerHandle | None = None
        self._when = 0

    def at(self, when: int) -> None:
        """Call back at ``when`` (monotonic ns); at once if that has passed."""
        self.clear()
        self._when = when
        wait = max(when - monotonic_ns(), 0) / NS_PER_S
        self._timer = self._loop.call_later(wait, self._ring)

    def _ring(self) -> None:
        if monotonic_ns() < self._when:  # a loop rounds to ms
            self.at(self._when)
        else:
            self._callback()

    def clear(self) -> None:
        """Do not call back."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def close(self) -> None:
        """The same: there is nothing else to release."""
        self.clear()


def new_alarm(loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> Alarm | CoarseAlarm:
    """The best that this system has."""
    kind = Alarm if sys.platform == "linux" else CoarseAlarm
    return kind(loop, callback)


if sys.platform != "linux":

    def _timerfd() -> tuple[int, Callable[[int], object]]:
        raise OSError("this system has no timerfd")

elif sys.version_info >= (3, 13):

    def _timerfd() -> tuple[int, Callable[[int], object]]:
        fd = os.timerfd_create(_CLOCK_MONOTONIC, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)

        def set_to(when: int) -> object:
            return os.timerfd_settime_ns(fd, flags=os.TFD_TIMER_ABSTIME, initial=when)

        return fd, set_to

else:

    class _TimerSpec(ctypes.Structure):
        """struct itimerspec: interval, then the first expiration."""

        _fields_ = (
            ("interval_s", ctypes.c_long),
            ("interval_ns", ctypes.c_long),
            ("value_s", ctypes.c_long),
            ("value_ns", ctypes.c_long),
        )

    _libc = ctypes.CDLL(None, use_errno=True)

    def _timerfd() -> tuple[int, Callable[[int], object]]:
        fd: int = _libc.timerfd_create(_CLOCK_MONOTONIC, os.O_NONBLOCK | os.O_CLOEXEC)
        if fd < 0:
            raise OSError(ctypes.get_errno(), "timerfd_create failed")
        spec = _TimerSpec()
        reference = ctypes.byref(spec)
        settime = _libc.timerfd_settime

        def set_to(when: int) -> object:
            spec.value_s, spec.value_ns = divmod(when, _NS)
            return settime(fd, _TFD_TIMER_ABSTIME, reference, None)

        return fd, set_to


MIN_SWEEP = 5 * NS_PER_MS
"""Time between two checks for overdue items: each check visits everything in flight."""


class Timed(Protocol):
    """Something that may take too long."""

    begun: int
    """When it began, monotonic ns; 0: nothing is in flight."""

    def timed_out(self) -> None:
        """It has timed out."""


class Deadline:
    """Ends what takes longer than a timeout.

    The ``timeout`` (ns) is the same for all, so whatever begins now cannot be due before that. A
    timer for each of them would be a considerable part of the cost of a request.
    """

    def __init__(self, timeout: int, all_: Collection[Timed]) -> None:
        """``all_`` is read at each check. Needs a running event loop."""
        self._timeout, self._all = timeout, all_
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(timeout / NS_PER_S, self._sweep)

    def close(self) -> None:
        """Stop checking."""
        self._timer.cancel()

    def _sweep(self) -> None:
        """End overdue items, and check again when the next one is due."""
        now = monotonic_ns()
        first = now
        for one in self._all:
            begun = one.begun
            if not begun:
                continue
            if begun + self._timeout <= now:
                one.timed_out()
            elif begun < first:
                first = begun
        wait = max(first + self._timeout - now, MIN_SWEEP)
        self._timer = self._loop.call_later(wait / NS_PER_S, self._sweep)
