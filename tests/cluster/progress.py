"""One line per step as it starts, and a sign of life at least every 20 s while it lasts."""

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator

HEARTBEAT_SECONDS = 20.0
_began = time.monotonic()


def say(message: str) -> None:
    """Print a line with the seconds since this program started."""
    # stderr, because `env` is read by the shell from stdout.
    print(f"[{time.monotonic() - _began:5.0f}s] {message}", file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(what: str, detail: Callable[[], str] | None = None) -> Iterator[None]:
    """Announce a step; while it lasts, say that it still does, with what ``detail`` tells."""
    say(what)
    done = threading.Event()

    def beat() -> None:
        while not done.wait(HEARTBEAT_SECONDS):
            more = detail() if detail else ""
            say(f"  still: {what}" + (f" ({more})" if more else ""))

    thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
