"""The samples of JMeter: rows of CSV, as its log of results has them."""

import re
from collections.abc import Iterable, Iterator

from perfrun.api.quantities import NS_PER_MS
from perfrun.engine.errors import ErrorClass
from perfrun.engine.script.lines import MAX_LINE, Alike, LineBuffer
from perfrun.engine.script.tool import SampleRows

MAX_LINES = 64
"""Lines that one row may have: names and messages may contain line breaks."""
_FIELDS = 11
"""The time stamp, and the columns that are asked for; variables of the plan may follow."""
MAX_THREADS = 10_000
"""Threads whose last sampler is remembered."""
_ROW = re.compile(rb"\d{10,14},\d{1,12},")
"""How a row begins."""
_FIELD = re.compile(r'"((?:[^"]|"")*)"(?:,|\Z)|([^,]*)(?:,|\Z)', re.DOTALL)
_TRANSACTION = "Number of samples in transaction : "
_NOT_HTTP = "Non HTTP response code: "
_BY_NAME = (
    (("UnknownHostException",), ErrorClass.DNS),
    (("ConnectTimeoutException", "HttpHostConnectException"), ErrorClass.CONNECT),
    (("ConnectException", "NoRouteToHostException", "BindException"), ErrorClass.CONNECT),
    (("SocketTimeoutException", "InterruptedIOException"), ErrorClass.TIMEOUT),
    (("SSLException", "SSLHandshakeException", "SSLProtocolException"), ErrorClass.TLS),
    (("SSLPeerUnverifiedException", "CertificateException"), ErrorClass.TLS),
    (("SocketException", "NoHttpResponseException", "EOFException"), ErrorClass.RESET),
    (("ConnectionClosedException", "TruncatedChunkException"), ErrorClass.RESET),
    (("ClientProtocolException", "ProtocolException", "ParseException"), ErrorClass.PROTOCOL),
)
"""Error classes by the class of Java's exception."""

_Key = tuple[str, str, str, int]
"""Scenario, step, error class and status."""


class JMeterDecoder:
    """Reads the rows of CSV that JMeter writes."""

    def __init__(self, rows: SampleRows, *, asserts: bool = True) -> None:
        """``asserts``: whether the plan has assertions."""
        self._rows, self._asserts = rows, asserts
        self._lines = LineBuffer()
        self._open: list[bytes] = []
        """The lines of a row whose quotes are not closed yet."""
        self._samplers: dict[str, _Sampler] = {}
        """The last sampler of each thread."""

    def feed(self, data: bytes) -> None:
        """Read what is complete."""
        lines, unreadable = self._lines.feed(data)
        chunk = _Chunk(self._samplers)
        for line in self._whole(lines, chunk):
            chunk.read(line)
        chunk.unreadable += unreadable
        chunk.record(self._rows, asserts=self._asserts)

    def end(self) -> None:
        """A row without its end is none."""
        if self._lines.end() or self._open:
            self._rows.unreadable(1)
        self._open = []

    def _whole(self, lines: Iterable[bytes], chunk: "_Chunk") -> Iterator[bytes]:
        """Rows, whose quoted fields may have line breaks.

        Where a row was lost, a quote may have no end: the next beginning of a row counts, after as
        many lines as a row may have.
        """
        for line in lines:
            if not self._open and b'"' not in line:
                yield line
                continue
            self._open.append(line)
            whole = b"\n".join(self._open)
            if whole.count(b'"') % 2 == 0:
                self._open = []
                yield whole
            elif len(self._open) >= MAX_LINES or len(whole) > MAX_LINE:
                again, self._open = self._open[1:], []
                chunk.unreadable += 1
                begun = next((n for n, one in enumerate(again) if _ROW.match(one)), len(again))
                yield from self._whole(again[begun:], chunk)


_Sampler = tuple[str, int, int]
"""Its label, and the first and the last ms of its sample."""
_PART = re.compile(r"(?:-\d{1,4})*-(\d{1,4})")
"""What follows the label of a sampler in the rows of its parts."""


class _Chunk:
    """What the rows of one chunk say, added up."""

    def __init__(self, samplers: dict[str, _Sampler]) -> None:
        """``samplers``: the last sampler of each thread, by the name of the thread."""
        self.unreadable = 0
        self._samplers = samplers
        self._parts: dict[tuple[str, str], int] = {}
        self._alike: dict[_Key, Alike] = {}
        self._asserted: dict[tuple[str, str], list[int]] = {}
        self._transactions: dict[str, Alike] = {}
        self._users: int | None = None

    def read(self, line: bytes) -> None:
        """Take a row."""
        text = line.decode("utf-8", "replace").removesuffix("\r")
        fields = text.split(",") if '"' not in text else _unquoted(text)
        try:
            self._take(fields)
        except (ValueError, IndexError):
            self.unreadable += 1

    def _take(self, fields: list[str]) -> None:
        if len(fields) < _FIELDS:
            raise ValueError
        stamp, took, label, code, message, thread, fine, failure, received, _, users = fields[:11]
        begun, elapsed = _number(stamp), _number(took)
        size, self._users = _number(received), _number(users)
        if fine not in {"true", "false"}:
            raise ValueError
        scenario = thread.rpartition(" ")[0] or thread
        if message.startswith(_TRANSACTION):
            one = self._transactions.setdefault(label, Alike(""))
        elif self._is_part(scenario, thread, label, begun, begun + elapsed):
            return
        else:
            failed = fine == "false"
            status = int(code) if len(code) == 3 and code.isascii() and code.isdigit() else 0
            error = class_of(code, status, message, failure) if failed else ""
            key = scenario, label, error, status
            if (found := self._alike.get(key)) is None:
                found = self._alike[key] = Alike((failure or message)[:1000] if failed else "")
            one = found
            if failure:
                self._asserted.setdefault((scenario, label), [0, 0])[1] += 1
        one.durations.append(elapsed * NS_PER_MS)
        one.at = max(one.at, (begun + elapsed) * NS_PER_MS)
        one.received += size

    def _is_part(self, scenario: str, thread: str, label: str, begun: int, ended: int) -> bool:
        """Whether it is one request of a sampler with several, whose row came before.

        The first of them is in the row of the sampler already.
        """
        last = self._samplers.get(thread)
        if last is not None and label.startswith(last[0]) and last[1] <= begun <= ended <= last[2]:
            found = _PART.fullmatch(label, len(last[0]))
            if found is not None:
                more = bool(found[1].strip("0"))
                self._parts[scenario, last[0]] = self._parts.get((scenario, last[0]), 0) + more
                return True
        if len(self._samplers) >= MAX_THREADS and last is None:
            self._samplers.clear()
        self._samplers[thread] = label, begun, ended + 1
        return False

    def record(self, rows: SampleRows, *, asserts: bool) -> None:
        """Hand over everything."""
        for (scenario, label, error, status), one in self._alike.items():
            rows.requests(
                *(scenario, label, one.at, one.durations, error, status),
                received=one.received,
                message=one.message,
            )
            if not error:
                self._asserted.setdefault((scenario, label), [0, 0])[0] += len(one.durations)
        for (scenario, label), (passed, failed) in self._asserted.items() if asserts else ():
            rows.check(scenario, label, f"assertions of {label}", passed, failed)
        for (scenario, label), more in self._parts.items():
            rows.attempts(scenario, label, more)
        for label, one in self._transactions.items():
            values = [value / NS_PER_MS for value in one.durations]
            rows.metrics(f"transaction{{label:{label}}}", "Trend", values, one.at)
        if self._users is not None:
            rows.users(self._users)
        if self.unreadable:
            rows.unreadable(self.unreadable)


def _number(text: str) -> int:
    """A count or ms. Raises ValueError for anything else."""
    if len(text) > 14 or not (text.isascii() and text.isdigit()):
        raise ValueError
    return int(text)


def _unquoted(text: str) -> list[str]:
    """The fields of a row, some of which are in quotes."""
    return [
        found[1].replace('""', '"') if found[1] is not None else found[2]
        for found in _FIELD.finditer(text)
    ]


def class_of(code: str, status: int, message: str, failure: str) -> str:
    """The error class of a failed sample."""
    if status >= 400:
        return f"Status{status // 100}xx"
    if code.startswith(_NOT_HTTP):
        name = code.removeprefix(_NOT_HTTP).rpartition(".")[2]
        if name == "SocketTimeoutException" and "connect timed out" in message.lower():
            return ErrorClass.CONNECT
        for known, error in _BY_NAME:
            if name in known:
                return error
        return name or "Other"
    if failure or status:
        return ErrorClass.CHECK
    return code or "Other"
