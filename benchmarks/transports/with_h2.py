"""A client connection on the library h2, with as little around it as such a client can have."""

import asyncio
from collections.abc import Callable
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded
from h2.settings import SettingCodes, Settings

WINDOW = 2**31 - 1
FIRST_WINDOW = 65_535
REFILL = WINDOW // 2
Fields = list[tuple[bytes, bytes]]


class H2Client(asyncio.Protocol):
    """Keeps ``streams`` requests open; what one read brings about goes out in one write."""

    def __init__(
        self, streams: int, fields: Callable[[], Fields], done: Callable[[int], None]
    ) -> None:
        """``fields``: of the next request; ``done`` is called with the status of each response."""
        self._streams, self._fields, self._done = streams, fields, done
        # The engine writes its requests itself, so h2 need not check them: the fastest setting.
        self._h2 = H2Connection(
            H2Configuration(
                header_encoding=None,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        values = {
            SettingCodes.HEADER_TABLE_SIZE: 4096,
            SettingCodes.ENABLE_PUSH: 0,
            SettingCodes.INITIAL_WINDOW_SIZE: WINDOW,
        }
        self._h2.local_settings = Settings(client=True, initial_values=values)
        self._statuses: dict[int, int] = {}
        self._consumed = 0
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(WINDOW - FIRST_WINDOW)
        for _ in range(self._streams):
            self._begin()
        self._flush()

    def data_received(self, data: bytes) -> None:
        for event in self._h2.receive_data(data):
            self._on(event)
        if self._consumed > REFILL:
            self._h2.increment_flow_control_window(self._consumed)
            self._consumed = 0
        self._flush()

    def _on(self, event: Event) -> None:
        if isinstance(event, ResponseReceived):
            assert event.headers is not None
            assert event.stream_id is not None
            self._statuses[event.stream_id] = int(event.headers[0][1])
        elif isinstance(event, DataReceived):
            # A stream's own window outlasts any response; that of the connection is refilled.
            self._consumed += event.flow_controlled_length or 0
        elif isinstance(event, StreamEnded):
            assert event.stream_id is not None
            self._done(self._statuses.pop(event.stream_id))
            self._begin()

    def _begin(self) -> None:
        number = self._h2.get_next_available_stream_id()
        self._h2.send_headers(number, self._fields(), end_stream=True)

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self.transport.write(data)
