"""An alarm of microseconds. Event-loop timers are 1 ms coarse: at 2000/s that is 560 us of lag."""

import asyncio
import ctypes
import os
import sys
from collections.abc import Callable

_CLOCK_MONOTONIC = 1
_TFD_TIMER_ABSTIME = 1
_NS = 1_000_000_000


class Alarm:
    """Calls back on the event loop once the monotonic clock has passed a given time.

    A timerfd, read by the loop like a socket. Setting the alarm again clears what has expired, so
    a callback that always sets or clears it needs no read of the descriptor.
    """

    __slots__ = ("_callback", "_fd", "_loop", "_set")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._fd, self._set = _timerfd()
        loop.add_reader(self._fd, callback)

    def at(self, when: int) -> None:
        """Call back at ``when`` (monotonic ns); at once where that has passed."""
        self._set(max(when, 1))

    def clear(self) -> None:
        """Do not call back. Part of every callback that does not set the alarm again."""
        self._set(0)

    def close(self) -> None:
        """Give the descriptor back. The alarm cannot be set any more; once is enough."""
        if self._fd >= 0:
            self._loop.remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1


if sys.version_info >= (3, 13):

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
