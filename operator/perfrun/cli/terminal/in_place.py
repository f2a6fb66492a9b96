"""What is shown in place on a terminal, by whatever shows it."""

from types import TracebackType
from typing import Self

from rich.live import Live


class InPlace:
    """Holds a live display, or none where lines are printed instead; a context manager."""

    def __init__(self, live: Live | None) -> None:
        self._live = live

    def __enter__(self) -> Self:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()
